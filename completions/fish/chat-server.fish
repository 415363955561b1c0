# Completion for fish. Made by: chat-server --completion=fish
# Succeed if the commands before the cursor are $command, and $place words follow them (any number if empty).
function __chat_server --argument-names command place
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l found ''
    set -l count 0
    set -l takes no
    for token in $tokens
        if test $takes = yes
            set takes no
            continue
        end
        switch $token
            case --address --data-directory --spool-directory --tls --tls-cert --tls-key --password-file --max-users --max-per-address --max-connects --max-logins --exempt --proxy --login-timeout --motd --max-text --max-file --max-spool --max-backlog --max-backlog-total --rate --byte-rate --metrics-address --log-level --config --completion --for --reason
                set takes yes
            case '-*'
            case '*'
                if test $count = 0; and contains -- "$found $token" ' bans' ' bans add' ' bans list' ' bans remove' ' say' ' status' ' users' ' users add' ' users list' ' users moderator' ' users passwd' ' users remove'
                    set found "$found $token"
                else
                    set count (math $count + 1)
                end
        end
    end
    test "$found" = "$command"; and begin
        test -z "$place"; or test "$count" = "$place"
    end
end
complete -c chat-server -f
complete -c chat-server -n '__chat_server \'\' 0' -a 'bans say status users'
complete -c chat-server -n '__chat_server \'\'' -l address -x -d 'HOST or HOST:PORT, [IPv6]:PORT, PORT on 127.0.0.1, :PORT for all interfaces, or unix:PATH'
complete -c chat-server -n '__chat_server \'\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'directory of the accounts, the bans and the server\'s own certificate'
complete -c chat-server -n '__chat_server \'\'' -l spool-directory -x -a '(__fish_complete_directories)' -d 'directory of large contents, kept for a limited time, in files without a name'
complete -c chat-server -n '__chat_server \'\'' -l tls -x -a 'off optional required' -d 'encryption of connections'
complete -c chat-server -n '__chat_server \'\'' -l tls-cert -r -F -d 'certificate with its chain, in PEM'
complete -c chat-server -n '__chat_server \'\'' -l tls-key -r -F -d 'key of the certificate, without a passphrase'
complete -c chat-server -n '__chat_server \'\'' -l members-only -d 'let in only users who have an account'
complete -c chat-server -n '__chat_server \'\'' -l password-file -r -F -d 'everyone must give the password in the first line of this file'
complete -c chat-server -n '__chat_server \'\'' -l no-register -d 'guests can\'t create accounts'
complete -c chat-server -n '__chat_server \'\'' -l max-users -x -d 'users in the room at the same time'
complete -c chat-server -n '__chat_server \'\'' -l max-per-address -x -d 'connections of one address'
complete -c chat-server -n '__chat_server \'\'' -l max-connects -x -d 'new connections of one address in a minute'
complete -c chat-server -n '__chat_server \'\'' -l max-logins -x -d 'failed logins of one address in a minute'
complete -c chat-server -n '__chat_server \'\'' -l exempt -x -d 'networks without limits per address, separated by commas'
complete -c chat-server -n '__chat_server \'\'' -l proxy -x -d 'proxies'
complete -c chat-server -n '__chat_server \'\'' -l login-timeout -x -d 'time to log in, for at most 5 attempts together'
complete -c chat-server -n '__chat_server \'\'' -l motd -r -F -d 'file with the welcome text'
complete -c chat-server -n '__chat_server \'\'' -l max-text -x -d 'largest text'
complete -c chat-server -n '__chat_server \'\'' -l max-file -x -d 'largest file, image or voice note'
complete -c chat-server -n '__chat_server \'\'' -l max-spool -x -d 'total space in the spool directory'
complete -c chat-server -n '__chat_server \'\'' -l max-backlog -x -d 'queued bytes for one slow reader'
complete -c chat-server -n '__chat_server \'\'' -l max-backlog-total -x -d 'queued bytes for all slow readers'
complete -c chat-server -n '__chat_server \'\'' -l rate -x -d 'messages of one user'
complete -c chat-server -n '__chat_server \'\'' -l byte-rate -x -d 'bytes in the texts of one user'
complete -c chat-server -n '__chat_server \'\'' -l metrics-address -x -d 'serve /metrics for Prometheus and /healthz over HTTP on this address'
complete -c chat-server -n '__chat_server \'\'' -l log-level -x -a 'debug info warning error' -d 'debug, info, warning or error'
complete -c chat-server -n '__chat_server \'\'' -l config -r -F -d 'settings file'
complete -c chat-server -n '__chat_server \'\'' -l check -d 'check all settings, print each mistake, and exit'
complete -c chat-server -n '__chat_server \'\'' -l completion -x -a 'bash zsh fish' -d 'print the completion script for bash, zsh or fish'
complete -c chat-server -n '__chat_server \'\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \'\'' -l version -d 'show the version'
complete -c chat-server -n '__chat_server \' bans\' 0' -a 'add list remove'
complete -c chat-server -n '__chat_server \' bans\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' bans add\'' -l mute -d 'refuse the user\'s messages instead of their login'
complete -c chat-server -n '__chat_server \' bans add\'' -l name -d 'TARGET is a user name, even if it looks like an address'
complete -c chat-server -n '__chat_server \' bans add\'' -l for -x -d 'a number with s, m, h, d or w'
complete -c chat-server -n '__chat_server \' bans add\'' -l reason -x -d 'a reason, which the user is told'
complete -c chat-server -n '__chat_server \' bans add\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' bans add\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' bans add\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' bans list\'' -l json -d 'print an array of JSON objects, for programs'
complete -c chat-server -n '__chat_server \' bans list\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' bans list\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' bans list\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' bans remove\'' -l mute -d 'refuse the user\'s messages instead of their login'
complete -c chat-server -n '__chat_server \' bans remove\'' -l name -d 'TARGET is a user name, even if it looks like an address'
complete -c chat-server -n '__chat_server \' bans remove\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' bans remove\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' bans remove\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' say\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' say\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' say\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' status\'' -l json -d 'print a JSON object, for programs'
complete -c chat-server -n '__chat_server \' status\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' status\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' status\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users\' 0' -a 'add list moderator passwd remove'
complete -c chat-server -n '__chat_server \' users\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users add\'' -l moderator -d 'the account may kick, ban and mute'
complete -c chat-server -n '__chat_server \' users add\'' -l password-file -r -F -d 'read the password from the first line of this file'
complete -c chat-server -n '__chat_server \' users add\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' users add\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' users add\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users list\'' -l json -d 'print an array of JSON objects, for programs'
complete -c chat-server -n '__chat_server \' users list\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' users list\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' users list\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users moderator\' 1' -a 'on off'
complete -c chat-server -n '__chat_server \' users moderator\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' users moderator\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' users moderator\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users passwd\'' -l password-file -r -F -d 'read the password from the first line of this file'
complete -c chat-server -n '__chat_server \' users passwd\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' users passwd\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' users passwd\'' -s h -l help -d 'show this help'
complete -c chat-server -n '__chat_server \' users remove\'' -l data-directory -x -a '(__fish_complete_directories)' -d 'the server\'s data directory'
complete -c chat-server -n '__chat_server \' users remove\'' -l config -r -F -d 'settings file of the server, for its data-directory'
complete -c chat-server -n '__chat_server \' users remove\'' -s h -l help -d 'show this help'
