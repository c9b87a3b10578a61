# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_clockbox_global_optspecs
    string join \n h/help json q/quiet v/verbose n/numeric color= V/version
end

function __fish_clockbox_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_clockbox_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_clockbox_using_subcommand
    set -l cmd (__fish_clockbox_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c clockbox -n "__fish_clockbox_needs_command" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_needs_command" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_needs_command" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_needs_command" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_needs_command" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_needs_command" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_needs_command" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "sync" -d 'Measure several servers at once, vote, set the clock, and say how sure it is'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "serve" -d 'Answer clients with this machine\'s time, and keep that right meanwhile'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "timezone" -d 'Set, show or list time zones (alone: show)'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "check-port" -d 'Say who holds UDP 123 here and whether packets may pass, or ask hosts and say why no answer comes'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "sources" -d 'Show the time sources of this machine, whatever daemon runs, and say what is wrong with them'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "status" -d 'Say whether this machine\'s time is right, and if not, why and what to type'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "links" -d 'Make the links by which clockbox also answers (clockbox-sync, check-port and others)'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "migrate-ntpd" -d 'Move from ntpd to chrony or to clockbox\'s own daemon, without losing a line'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s u -l user -d 'Give root up for this user' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l pool -d 'A name with several servers, each with a vote' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l refclock -d 'A clock of this machine: auto, a device or a driver' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s f -l config -d 'Take the servers from this configuration file' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l samples -d 'Samples to take from each server' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l timeout -d 'End after so many seconds [default: 10, --wait: 300]' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l source-port -d 'Ask from this UDP port instead of a random one' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l max-error -d 'Until its error is under so many seconds [default: 1]' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l step-threshold -d 'Step from this offset on [default: 0.128]' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l max-offset -d 'Refuse larger offsets, in seconds' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l daemon -d 'Keep the clock right, in the foreground, until SIGTERM'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s x -l no-clock-control -d 'Measure and select, but never touch the clock'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s r -l reload -d 'Start with what the last run left in dumpdir'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s s -l set-from-rtc -d 'First set the clock from the RTC, or drift file'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l check-config -d 'Check the daemon\'s configuration, and end'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s p -l print-config -d 'Print the effective one, with origins, and end'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s 4 -l ipv4 -d 'Ask IPv4 addresses only'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s 6 -l ipv6 -d 'Ask IPv6 addresses only'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l wait -d 'Wait until the daemon that runs has put the clock right'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l dry-run -d 'Only measure, and say what would be done'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l step -d 'Step, whatever the offset'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l slew -d 'Slew, whatever the offset'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l force -d 'Set the clock whatever the offset'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l rtc -d 'Set the battery-backed clock too'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sync" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l upstream -d 'Follow this server; may be given several times' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l config -d 'A chrony.conf [default: this machine\'s own]' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l local -d 'Serve the own clock while there is no upstream' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s u -l user -d 'Give root up for this user' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l listen -d 'ADDR, ADDR:PORT or :PORT [default: :123]' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l allow -d 'Answer this network, address or host name, or all' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l deny -d 'Do not answer this network, address or host name' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l rate-limit -d 'For each client: interval=3,burst=8,leak=2,kod=0' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l threads -d 'Threads that answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l explain-access -d 'Would this one be answered, and by which rule?' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l no-clock-control -d 'Never touch the clock: somebody else keeps it'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s r -l reload -d 'Start with what the last run left in dumpdir'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l kiss-denied -d 'Tell whoever is refused so (a DENY kiss)'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand serve" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -l root -d 'Look at the image that is mounted here' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -f -a "set" -d 'Set this machine\'s time zone in every place that its distribution reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -f -a "show" -d 'Show the time zone, how it is known, and what disagrees with it'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -f -a "list" -d 'List time zones and the time there'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and not __fish_seen_subcommand_from set show list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l root -d 'Set the zone of the image that is mounted here, by its own zone database' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l restart -d 'Restart these services if they began before the change' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l dry-run -d 'Say what would be done, and do nothing'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l diff -d 'Show the changes as a unified diff too; with --dry-run only show them'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -l root -d 'Look at the image that is mounted here' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from show" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -l root -d 'List the zones of the image that is mounted here' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from help" -f -a "set" -d 'Set this machine\'s time zone in every place that its distribution reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the time zone, how it is known, and what disagrees with it'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from help" -f -a "list" -d 'List time zones and the time there'
complete -c clockbox -n "__fish_clockbox_using_subcommand timezone; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l timeout -d 'Seconds to wait for each answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l client -d 'What firewall and chronyd\'s rules say of this client' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s w -l warning -d 'Offset of a server that is a warning' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s c -l critical -d 'Offset of a server that is critical' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l full -d 'All tests: source port 123, NTP version 3, NTS-sized packets, mode 6 and 7, NTS-KE; 2 s between packets to one server'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l any -d 'One open address of a host is enough'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s 4 -l ipv4 -d 'Ask IPv4 addresses only'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s 6 -l ipv6 -d 'Ask IPv6 addresses only'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l nagios -d 'One line and the exit status for Nagios and its like'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand check-port" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l host -d 'Ask the daemon there: HOST, HOST:PORT or control socket' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l max-error -d 'Exit with 1 if the clock is off by more: 0.1, 100ms, 50us' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l watch -d 'Show it again every few seconds' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l count -d 'Stop watching after this many times' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l timeout -d 'Seconds to wait for each answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l prometheus -d 'Prometheus\'s text format, for node_exporter'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l nagios -d 'A line and the exit statuses that Nagios reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -f -a "list" -d 'The table of sources: the same as without a verb'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -f -a "stats" -d 'Show what the daemon has learnt of each source'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -f -a "set" -d 'Make the daemon in use follow these servers'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -f -a "unset" -d 'Take servers out of the daemon\'s configuration'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and not __fish_seen_subcommand_from list stats set unset help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l host -d 'Ask the daemon there: HOST, HOST:PORT or control socket' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l max-error -d 'Exit with 1 if the clock is off by more: 0.1, 100ms, 50us' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l watch -d 'Show it again every few seconds' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l count -d 'Stop watching after this many times' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l timeout -d 'Seconds to wait for each answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l prometheus -d 'Prometheus\'s text format, for node_exporter'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l nagios -d 'A line and the exit statuses that Nagios reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -l host -d 'Ask the chronyd or ntpd of another machine, where it permits; or the one behind this port or control socket' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -l timeout -d 'Seconds to wait for an answer to each question' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from stats" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l cloud -d 'The time of the cloud or host that this machine stands on; =NAME where it cannot be told' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l options -d 'Options for their lines; without it those that a line of the same host has, else iburst' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l wait -d 'Seconds to wait until the new sources answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l root -d 'Edit the image mounted in this directory; no daemon is told' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l pool -d 'The names stand for several servers each'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l add -d 'Keep the sources that are there and add these'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l replace -d 'Comment out the sources that are there (what is done without --add)'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l dry-run -d 'Write nothing, and say what would be done'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l diff -d 'Show what changes as unified diffs'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from set" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l wait -d 'Seconds to wait until the new sources answer' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l root -d 'Edit the image mounted in this directory; no daemon is told' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l dry-run -d 'Write nothing, and say what would be done'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l diff -d 'Show what changes as unified diffs'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from unset" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "list" -d 'The table of sources: the same as without a verb'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "stats" -d 'Show what the daemon has learnt of each source'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "set" -d 'Make the daemon in use follow these servers'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "unset" -d 'Take servers out of the daemon\'s configuration'
complete -c clockbox -n "__fish_clockbox_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -l root -d 'Look at the image mounted in this directory instead of this machine' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -l timeout -d 'Seconds to wait for an answer to each question' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -l nagios -d 'A line and the exit statuses that Nagios reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand status" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l dry-run -d 'Say what would be done, and do nothing'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l to -d 'Who takes over: chrony or clockbox' -r -f -a "chrony\t'chronyd'
clockbox\t'clockbox\'s own daemon, which reads the same configuration'"
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l from -d 'Convert this ntp.conf only; needs --output' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l output -d 'Where --from writes its files' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l chrony-version -d 'Write only what this version of chrony knows' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l dialect -d 'Read ntp.conf as ntp, ntpsec or openntpd does' -r -f -a "ntp\t'The reference implementation, 4.2'
ntpsec\t'NTPsec'
openntpd\t'OpenNTPD'"
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l wait -d 'Seconds to wait for a source; 0: none' -r
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l root -d 'Work on the image mounted there' -r -F
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l color -d 'Colour: always, never or auto' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l serve -d 'Keep answering whoever ntpd answered'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l no-serve -d 'Answer no clients'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l remote-monitoring -d 'Open the command port to who could query ntpd'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l ntpd-like -d 'Slow corrections, steps at any time, as ntpd'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l install -d 'Install the new daemon if it is missing'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l rollback -d 'Undo the migration: files, services, packages'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l dry-run -d 'Say what would be done, and do nothing'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l diff -d 'Show the changes of files as unified diffs'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l accept-losses -d 'Go on although something that matters is lost'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -s h -l help -d 'Print help; --help: all options, the man page: more'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand migrate-ntpd" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "sync" -d 'Measure several servers at once, vote, set the clock, and say how sure it is'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "serve" -d 'Answer clients with this machine\'s time, and keep that right meanwhile'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "timezone" -d 'Set, show or list time zones (alone: show)'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "check-port" -d 'Say who holds UDP 123 here and whether packets may pass, or ask hosts and say why no answer comes'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "sources" -d 'Show the time sources of this machine, whatever daemon runs, and say what is wrong with them'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "status" -d 'Say whether this machine\'s time is right, and if not, why and what to type'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "links" -d 'Make the links by which clockbox also answers (clockbox-sync, check-port and others)'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "migrate-ntpd" -d 'Move from ntpd to chrony or to clockbox\'s own daemon, without losing a line'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and not __fish_seen_subcommand_from sync serve timezone check-port sources status links migrate-ntpd help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from timezone" -f -a "set" -d 'Set this machine\'s time zone in every place that its distribution reads'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from timezone" -f -a "show" -d 'Show the time zone, how it is known, and what disagrees with it'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from timezone" -f -a "list" -d 'List time zones and the time there'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "list" -d 'The table of sources: the same as without a verb'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "stats" -d 'Show what the daemon has learnt of each source'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "set" -d 'Make the daemon in use follow these servers'
complete -c clockbox -n "__fish_clockbox_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "unset" -d 'Take servers out of the daemon\'s configuration'
