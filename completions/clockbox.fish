# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_clockbox_global_optspecs
    string join \n json q/quiet v/verbose n/numeric color= h/help V/version
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

complete -c clockbox -n "__fish_clockbox_needs_command" -l color -d 'Colour in tables: auto is on a terminal unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_needs_command" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_needs_command" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_needs_command" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_needs_command" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_needs_command" -s h -l help -d 'Print help'
complete -c clockbox -n "__fish_clockbox_needs_command" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "links" -d 'Make the links by which clockbox also answers (clockbox-sync, migrate-ntpd, check-port...)'
complete -c clockbox -n "__fish_clockbox_needs_command" -f -a "generate" -d 'Write man pages, completions and schemas into a directory'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l color -d 'Colour in tables: auto is on a terminal unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l dry-run -d 'Say what would be done, and do nothing'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s h -l help -d 'Print help'
complete -c clockbox -n "__fish_clockbox_using_subcommand links" -s V -l version -d 'Print version'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -l color -d 'Colour in tables: auto is on a terminal unless NO_COLOR is set' -r -f -a "auto\t''
always\t''
never\t''"
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -l json -d 'One JSON object instead of a table'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -s q -l quiet -d 'Print nothing: the exit status is the answer'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -s v -l verbose -d 'Say more'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -s n -l numeric -d 'Look up no names for addresses'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -s h -l help -d 'Print help'
complete -c clockbox -n "__fish_clockbox_using_subcommand generate" -s V -l version -d 'Print version'
