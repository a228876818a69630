# SPDX-License-Identifier: Apache-2.0
# bash completion for fixingahole(1)

_fixingahole_words() { # WORDS...: those that begin with the current word
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$current")
}

_fixingahole_files() { # [SUFFIX...]: folders, and files with one of these suffixes (all files without any)
    local file suffix
    compopt -o filenames 2>/dev/null
    COMPREPLY=()
    while IFS= read -r file; do
        if [ -d "$file" ] || [ $# -eq 0 ]; then
            COMPREPLY+=("$file")
            continue
        fi
        for suffix; do
            [[ $file == *"$suffix" ]] && COMPREPLY+=("$file")
        done
    done < <(compgen -f -- "$current")
}

_fixingahole_value() { # OPTION: completes its value; 1 when it takes none
    case $1 in
    -l | --log-level) _fixingahole_words DEBUG INFO WARNING ERROR CRITICAL ;;
    --duration) _fixingahole_words relative absolute ;;
    --heap-source) _fixingahole_words preload probes ;;
    --heap-budget) COMPREPLY=() ;;
    --protocol) _fixingahole_words pyroscope parca otlp pprof ;;
    --header-file | --ca-file | --client-cert | --options) _fixingahole_files ;;
    -i | --ignore | --output-directory | --output | --spool)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    -o)
        [ "$command" = profile ] || [ "$command" = record ] || return 0
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    --python) _fixingahole_files ;;
    --pid) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && printf '%s ' [0-9]*)" -- "$current") ;;
    --cgroup)
        local folder
        compopt -o filenames -o nospace 2>/dev/null
        mapfile -t COMPREPLY < <(current=/sys/fs/cgroup/${current#/}; for folder in "$current"*/; do [ -d "$folder" ] && folder=${folder#/sys/fs/cgroup/} && printf '%s\n' "${folder%/}"; done)
        ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
    --module | --output-file | --live | --rate | --name | --seconds | -r | --repeat | -n | --top | --threshold | \
        --interval | --keep-files | --keep-bytes | --header | --timeout | --spool-bytes) COMPREPLY=() ;;
    -p | --precision) _fixingahole_words {-10..10} ;;
    -t) [ "$command" = summarize ] || [ "$command" = merge ] || return 1 ;;
    *) return 1 ;;
    esac
}

_fixingahole() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    local i word target= script=
    COMPREPLY=()

    if [ "$COMP_CWORD" -eq 1 ]; then
        _fixingahole_words profile record top summarize stats merge doctor help -V --version -h --help
        return
    fi
    # --option=value arrives as three words
    if [ "$current" = = ]; then
        current=
    elif [ "$previous" = = ]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $previous in
    -np | --no-plots)
        if [ "${COMP_WORDS[COMP_CWORD - 1]}" = = ] || [[ matplotlib == "$current"* || plotly == "$current"* ]]; then
            _fixingahole_words matplotlib plotly
            [ -n "$current" ] && return
        fi
        ;;
    esac
    # has FILE been given, and do the words belong to the script already?
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --) script=yes ;;
        --module | --pid | --name | --cgroup) target=yes i=$((i + 1)) ;;
        -i | --ignore | -o | --output-directory | --output-file | --python | --user | -r | --repeat | --rate | --live | \
            -l | --log-level | --duration | -p | --precision | --heap-source | --heap-budget | --seconds) i=$((i + 1)) ;;
        =*) [ "$word" = = ] && i=$((i + 1)) ;;
        -*) ;;
        matplotlib | plotly) [[ ${COMP_WORDS[i - 1]} == -np || ${COMP_WORDS[i - 1]} == --no-plots ]] || { [ -n "$target" ] && script=yes; target=yes; } ;;
        *) [ -n "$target" ] && script=yes; target=yes ;;
        esac
    done

    case $command in
    profile)
        if [ -n "$target" ] && [ -n "$script" ]; then
            _fixingahole_files
        elif _fixingahole_value "$previous"; then
            return
        elif [[ $current == -* ]]; then
            _fixingahole_words -c --cpu -m --memory -d --detailed -p --precision -t --trace -nt --no-trace \
                -l --log-level -np --no-plots --live -i --ignore -o --output-directory --duration -r --repeat \
                --output-file --metadata --no-metadata --sort --no-sort --module --pid --name --cgroup --seconds --no-children --python --rate --user \
                --calls --heap-source --heap-budget -q --quiet -v --verbose -h --help
        elif [ -n "$target" ]; then
            _fixingahole_files
        else
            local plots=("${COMPREPLY[@]}")
            _fixingahole_files .py .ipynb
            COMPREPLY+=("${plots[@]}")
        fi
        ;;
    record)
        if _fixingahole_value "$previous"; then
            return
        fi
        _fixingahole_words -a --all --pid --name --cgroup --seconds --no-children --rate -m --memory -p --precision --heap-budget -d --detailed --interval -o --output --protocol \
            --keep-files --keep-bytes --header --header-file --ca-file --client-cert --timeout --spool --spool-bytes --options \
            --json -q --quiet -v --verbose -h --help
        ;;
    top)
        _fixingahole_value "$previous" ||
            _fixingahole_words -a --all --pid --name --cgroup --seconds --no-children --rate -d --detailed --interval --once -v --verbose -h --help
        ;;
    summarize)
        if _fixingahole_value "$previous"; then
            return
        elif [[ $current == -* ]]; then
            _fixingahole_words -n --top -t --threshold --duration -v --verbose -h --help
        else
            _fixingahole_files .json
        fi
        ;;
    stats)
        if _fixingahole_value "$previous"; then
            return
        elif [[ $current == -* ]]; then
            _fixingahole_words -o --output-file --metadata --no-metadata --sort --no-sort -v --verbose -h --help
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
        fi
        ;;
    merge)
        if _fixingahole_value "$previous"; then
            return
        elif [[ $current == -* ]]; then
            _fixingahole_words -o --output-directory -n --top -t --threshold --duration -v --verbose -h --help
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
        fi
        ;;
    doctor) [[ $current == -* ]] && _fixingahole_words -v --verbose -h --help ;;
    help) _fixingahole_words profile record top summarize stats merge doctor ;;
    esac
}

complete -F _fixingahole fixingahole
