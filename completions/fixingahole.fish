# SPDX-License-Identifier: Apache-2.0
# fish completion for fixingahole(1)

# folders, and files with that ending
function __fixingahole_files
    string match -r -- "^.*(?:/|$argv[1])\$" (complete -C "'' "(commandline -ct))
end

# FILE may have been given: what follows can be any file of the script's
function __fixingahole_has_file
    string match -qr -- '\.(py|ipynb)$|^--module' (commandline -opc)
end

set -l none '__fish_use_subcommand'
set -l profile '__fish_seen_subcommand_from profile'
set -l record '__fish_seen_subcommand_from record'
set -l top '__fish_seen_subcommand_from top'
set -l summarize '__fish_seen_subcommand_from summarize'
set -l stats '__fish_seen_subcommand_from stats'
set -l merge '__fish_seen_subcommand_from merge'
set -l doctor '__fish_seen_subcommand_from doctor'

complete -c fixingahole -f
complete -c fixingahole -n $none -a profile -d 'Run a script or notebook and report'
complete -c fixingahole -n $none -a record -d 'Watch processes or the whole machine'
complete -c fixingahole -n $none -a top -d 'Show live who takes the time'
complete -c fixingahole -n $none -a summarize -d 'Print the summary of a stored profile'
complete -c fixingahole -n $none -a stats -d 'Mean and deviation over several runs'
complete -c fixingahole -n $none -a merge -d 'Join the results of many runs'
complete -c fixingahole -n $none -a doctor -d 'Say what works here, and what to change'
complete -c fixingahole -n $none -a help -d 'Print help'
complete -c fixingahole -n $none -s V -l version -d 'Print version and settings'
complete -c fixingahole -s h -l help -d 'Print help'
complete -c fixingahole -n '__fish_seen_subcommand_from help' -a 'profile record top summarize stats merge doctor'

complete -c fixingahole -n $profile -a '(__fixingahole_files "\\.py|\\.ipynb")'
complete -c fixingahole -n "$profile; and __fixingahole_has_file" -F
complete -c fixingahole -n $profile -s c -l cpu -d 'Time and physical memory per line'
complete -c fixingahole -n "$profile; or $record" -s m -l memory -d 'Heap memory per line, too'
complete -c fixingahole -n "$profile; or $record; or $top" -s d -l detailed -d 'Report files outside root, too'
complete -c fixingahole -n "$profile; or $record" -s p -l precision -x -a '(seq -10 10)' -d 'How fine --memory looks'
complete -c fixingahole -n $profile -s t -l trace -d 'Show who calls the most expensive functions'
complete -c fixingahole -n $profile -o nt -l no-trace -d 'Leave the callers out'
complete -c fixingahole -n $profile -s l -l log-level -x -a 'DEBUG INFO WARNING ERROR CRITICAL' -d 'Log records to keep'
complete -c fixingahole -n $profile -o np -l no-plots -d 'Open no plot windows'
complete -c fixingahole -n "$profile; and string match -qr -- '^(-np|--no-plots)\$' (commandline -opc)[-1]" -a 'matplotlib plotly'
complete -c fixingahole -n $profile -l live -x -d 'Show where the time goes every so many seconds'
complete -c fixingahole -n $profile -s i -l ignore -x -a '(__fish_complete_directories)' -d 'Leave this folder out'
complete -c fixingahole -n "$profile; or $merge" -s o -l output-directory -x -a '(__fish_complete_directories)' -d 'Where results go'
complete -c fixingahole -n "$profile; or $summarize; or $merge" -l duration -x -a 'relative absolute' -d 'Times in percent or seconds'
complete -c fixingahole -n $profile -s r -l repeat -x -d 'Profile several runs'
complete -c fixingahole -n $profile -l output-file -x -d 'Base name of the result files'
complete -c fixingahole -n "$profile; or $stats" -l metadata -d 'Add git and time to function_stats.json'
complete -c fixingahole -n "$profile; or $stats" -l no-metadata -d 'Leave them out'
complete -c fixingahole -n "$profile; or $stats" -l sort -d 'Sort function_stats.json by user time'
complete -c fixingahole -n "$profile; or $stats" -l no-sort -d 'Do not sort it'
complete -c fixingahole -n $profile -l module -x -d 'Run a module in place of a file'
complete -c fixingahole -n "$profile; or $record; or $top" -l pid -x -a '(__fish_complete_pids)' -d 'Attach to a running process'
complete -c fixingahole -n "$profile; or $record; or $top" -l name -x -d 'Attach to processes of this name or script'
complete -c fixingahole -n "$profile; or $record; or $top" -l cgroup -x -a '(path change-extension "" /sys/fs/cgroup/*/ | string replace /sys/fs/cgroup/ "")' -d 'Attach to a service or container'
complete -c fixingahole -n "$profile; or $record; or $top" -l seconds -x -d 'Detach after so long'
complete -c fixingahole -n "$profile; or $record; or $top" -l no-children -d 'Leave descendants of attached processes out'
complete -c fixingahole -n $profile -l python -r -F -d 'The interpreter'
complete -c fixingahole -n "$profile; or $record; or $top" -l rate -x -d 'Samples per second and thread'
complete -c fixingahole -n $profile -l user -x -a '(__fish_complete_users)' -d 'Run the script as this user'
complete -c fixingahole -n $profile -l calls -d 'Count calls exactly (=PATTERN: of which functions)'
complete -c fixingahole -n $profile -l heap-source -x -a 'preload probes' -d 'How --memory sees the heap'
complete -c fixingahole -n "$profile; or $record" -l heap-budget -x -d 'Percent of the time that heap probes may cost'
complete -c fixingahole -n "$profile; or $record" -s q -l quiet -d 'Print no summary'
complete -c fixingahole -n "$profile; or $record; or $top; or $summarize; or $stats; or $merge; or $doctor" -s v -l verbose -d 'Say more on stderr'

complete -c fixingahole -n "$record; or $top" -s a -l all -d 'All processes of the machine'
complete -c fixingahole -n "$record; or $top" -l interval -x -d 'So often'
complete -c fixingahole -n $record -s o -l output -x -a '(__fish_complete_directories)' -d 'Folder or URL for profiles'
complete -c fixingahole -n $record -l protocol -x -a 'pyroscope parca otlp pprof' -d 'What servers speak'
complete -c fixingahole -n $record -l keep-files -x -d 'Profiles that a folder keeps'
complete -c fixingahole -n $record -l keep-bytes -x -d 'Bytes of profiles that a folder keeps'
complete -c fixingahole -n $record -l header -x -d 'An HTTP header for servers'
complete -c fixingahole -n $record -l header-file -r -F -d 'A file of headers'
complete -c fixingahole -n $record -l ca-file -r -F -d 'Certificates of authorities'
complete -c fixingahole -n $record -l client-cert -r -F -d 'Our own certificate and key'
complete -c fixingahole -n $record -l timeout -x -d 'Seconds that a server may take'
complete -c fixingahole -n $record -l spool -x -a '(__fish_complete_directories)' -d 'Where profiles wait'
complete -c fixingahole -n $record -l spool-bytes -x -d 'What may wait for each server'
complete -c fixingahole -n $record -l options -r -F -d 'A file of options'
complete -c fixingahole -n $record -l json -d 'Print the summary as JSON'
complete -c fixingahole -n $top -l once -d 'Print one screen as text'

complete -c fixingahole -n $summarize -a '(__fixingahole_files "\\.json")'
complete -c fixingahole -n "$summarize; or $merge" -s n -l top -x -d 'List so many functions at most'
complete -c fixingahole -n "$summarize; or $merge" -s t -l threshold -x -d 'Leave out functions below this share'

complete -c fixingahole -n $merge -a '(__fish_complete_directories)'

complete -c fixingahole -n $stats -a '(__fish_complete_directories)'
complete -c fixingahole -n $stats -s o -l output-file -x -d 'Name of the file to write'
