# Completion for fish. Made by: chat-client --completion=fish
# Succeed if the commands before the cursor are $command, and $place words follow them (any number if empty).
function __chat_client --argument-names command place
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
            case --address -u --username --password-file --room --byte-order --tls --fingerprint --known-hosts --replay --state --spool --save_directory --save-directory --max-save --open --presence --ignore --highlight --bell --notify --names --mouse --raw --title --theme --time-format --pictures --log --log-file --config --completion
                set takes yes
            case '-*'
            case '*'
                if test $count = 0; and contains -- "$found $token" ''
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
complete -c chat-client -f
complete -c chat-client -n '__chat_client \'\'' -l address -x -d 'Another way to give the server'
complete -c chat-client -n '__chat_client \'\'' -s u -l username -x -d 'Your name in the room'
complete -c chat-client -n '__chat_client \'\'' -l password-file -r -F -d 'Read your password, or the room\'s, from the first line of this file'
complete -c chat-client -n '__chat_client \'\'' -l room -x -d 'Be in this room, too, and make it if there is none'
complete -c chat-client -n '__chat_client \'\'' -l byte-order -x -a 'auto little big' -d 'auto, little or big'
complete -c chat-client -n '__chat_client \'\'' -l tls -x -a 'auto required off' -d 'auto, required (on this machine too) or off'
complete -c chat-client -n '__chat_client \'\'' -l fingerprint -x -d 'Accept only the key with this fingerprint, as the server printed it'
complete -c chat-client -n '__chat_client \'\'' -l known-hosts -r -F -d 'The file with the keys of known servers'
complete -c chat-client -n '__chat_client \'\'' -l insecure -d 'Encrypt, but do not check the server'
complete -c chat-client -n '__chat_client \'\'' -l replay -x -d 'Show so many of the last messages of the room when you come in, 0 to 200, and what was said while the connection was lost'
complete -c chat-client -n '__chat_client \'\'' -l state -r -F -d 'The file in which the client keeps, over its own restarts, what you have seen, which of your lines have no answer, and the secret of this device'
complete -c chat-client -n '__chat_client \'\'' -l no-state -d 'Keep nothing over restarts'
complete -c chat-client -n '__chat_client \'\'' -l spool -r -F -d 'For pipes'
complete -c chat-client -n '__chat_client \'\'' -l save_directory -x -a '(__fish_complete_directories)' -d 'Save files, images and voice notes in this directory automatically'
complete -c chat-client -n '__chat_client \'\'' -l save-directory -x -a '(__fish_complete_directories)' -d 'Another spelling of --save_directory'
complete -c chat-client -n '__chat_client \'\'' -l max-save -x -d 'Save larger attachments only when you ask, with /get'
complete -c chat-client -n '__chat_client \'\'' -l open -x -d 'Programs that open saved files (/open), by MIME type or file name'
complete -c chat-client -n '__chat_client \'\'' -l presence -x -a 'all smart none' -d 'Show all joins and leaves, none, or smart'
complete -c chat-client -n '__chat_client \'\'' -l ignore -x -d 'Hide messages of these users'
complete -c chat-client -n '__chat_client \'\'' -l highlight -x -d 'Treat messages with these words as if they had your name in them'
complete -c chat-client -n '__chat_client \'\'' -l bell -x -a 'on off' -d 'Ring the bell for private messages and for messages with your name'
complete -c chat-client -n '__chat_client \'\'' -l notify -x -a 'off osc9 osc777 notify-send' -d 'Send a desktop notification for these messages while the terminal has no focus'
complete -c chat-client -n '__chat_client \'\'' -l names -x -a 'on off' -d 'Start with a column of the users in the room'
complete -c chat-client -n '__chat_client \'\'' -l mouse -x -a 'on off' -d 'Take the mouse from the terminal'
complete -c chat-client -n '__chat_client \'\'' -l raw -x -a 'on off' -d 'Show texts without the styles of code, emphasis and quotes'
complete -c chat-client -n '__chat_client \'\'' -l title -x -a 'on off' -d 'Show the server and the number of unread messages in the title of the window'
complete -c chat-client -n '__chat_client \'\'' -l theme -x -a 'auto dark light colour-blind neutral' -d 'Choose colours'
complete -c chat-client -n '__chat_client \'\'' -l time-format -x -d 'How times are shown, also with --plain, in the notation of strftime'
complete -c chat-client -n '__chat_client \'\'' -l pictures -x -a 'on off' -d 'Show small pictures of received images'
complete -c chat-client -n '__chat_client \'\'' -l log -x -a 'on off' -d 'Append everything shown to a file'
complete -c chat-client -n '__chat_client \'\'' -l log-file -r -F -d 'The file for --log'
complete -c chat-client -n '__chat_client \'\'' -l plain -d 'Lines in, lines out, also on a terminal'
complete -c chat-client -n '__chat_client \'\'' -l screen -d 'Use the screen even if the settings file says plain'
complete -c chat-client -n '__chat_client \'\'' -l json -d 'JSON objects, one a line, in and out'
complete -c chat-client -n '__chat_client \'\'' -l commands -d 'Lines that begin with a slash are commands, even if the input is no terminal'
complete -c chat-client -n '__chat_client \'\'' -l listen -d 'Only listen'
complete -c chat-client -n '__chat_client \'\'' -l config -r -F -d 'The settings file'
complete -c chat-client -n '__chat_client \'\'' -l completion -x -a 'bash zsh fish' -d 'Print the completion script for bash, zsh or fish'
complete -c chat-client -n '__chat_client \'\'' -s h -l help -d 'Show this help'
complete -c chat-client -n '__chat_client \'\'' -l version -d 'Show the version'
