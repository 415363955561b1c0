"""Write completion scripts for bash, zsh and fish. The scripts are static: a Tab starts no other program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import Template

from chat.config.completion import CompletedCommand, CompletedOption, completed_commands
from chat.config.options import Option

# bash hands over words that it has split at = and :, so the script splits the line again. An answer replaces only the
# part after the = sign, unless the user has taken the sign out of COMP_WORDBREAKS.
_BASH = Template(r"""# Completion for bash. Made by: $program --completion=bash
$function() {
    local line=$${COMP_LINE:0:COMP_POINT} words word each option= value= before= command= place=0
    local names= paths=
    COMPREPLY=()
    read -a words <<<"$$line"
    [[ $$line == *[[:space:]] ]] && words+=("")
    word=$${words[$${#words[@]}-1]}
    unset "words[$${#words[@]}-1]"
    for each in "$${words[@]:1}"; do
        if [[ $$option ]]; then
            option=
            continue
        fi
        case $$each in
            $with_value) option=$$each ;;
            -*) ;;
            *)
                case "$$place$$command $$each" in
                    $commands) command="$$command $$each" ;;
                    *) place=$$((place + 1)) ;;
                esac
                ;;
        esac
    done
    value=$$word
    if [[ ! $$option && $$word == --*=* ]]; then
        option=$${word%%=*}
        value=$${word#*=}
        [[ $$COMP_WORDBREAKS == *=* ]] || before="$$option="
    fi
    case $$option in
        "")
            case "$$command:$$place" in
$arguments
            esac
            if [[ $$word == -* || ! $$names ]]; then
                case $$command in
$options
                esac
            fi
            ;;
$values
    esac
    if [[ $$paths ]]; then
        compopt -o filenames 2>/dev/null
        while IFS= read -r each; do COMPREPLY+=("$$before$$each"); done < <(compgen -$$paths -- "$$value")
    else
        while IFS= read -r each; do COMPREPLY+=("$$before$$each"); done < <(compgen -W "$$names" -- "$$value")
        [[ $${COMPREPLY-} == *= ]] && compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F $function $program
""")

_ZSH = Template(r"""#compdef $program
# Completion for zsh. Made by: $program --completion=zsh
$function() {
    local command='' each
    integer used=1
    for each in "$${(@)words[2,CURRENT-1]}"; do
        case "$$command $$each" in
            ($commands) command="$$command $$each"; (( used++ )) ;;
            (*) break ;;
        esac
    done
    words=("$$words[1]" "$${(@)words[used+1,-1]}")
    (( CURRENT -= used - 1 ))
    case $$command in
$cases
    esac
}
if [[ $$funcstack[1] == $function ]]; then
    $function "$$@"
else
    compdef $function $program
fi
""")

_FISH = Template(r"""# Completion for fish. Made by: $program --completion=fish
# Succeed if the commands before the cursor are $$command, and $$place words follow them (any number if empty).
function _$function --argument-names command place
    set -l tokens (commandline -opc)
    set -e tokens[1]
    set -l found ''
    set -l count 0
    set -l takes no
    for token in $$tokens
        if test $$takes = yes
            set takes no
            continue
        end
        switch $$token
            case $with_value
                set takes yes
            case '-*'
            case '*'
                if test $$count = 0; and contains -- "$$found $$token" $commands
                    set found "$$found $$token"
                else
                    set count (math $$count + 1)
                end
        end
    end
    test "$$found" = "$$command"; and begin
        test -z "$$place"; or test "$$count" = "$$place"
    end
end
complete -c $program -f
$lines
""")


def completion_script(
    shell: str, program: str, usages: Sequence[str], table: Iterable[Option]
) -> str:
    """Return the completion script of ``program`` for ``shell``, one of ``options.SHELLS``.

    ``usages`` are the usage texts of the program and its commands, ``table`` is its table of options.
    """
    commands = completed_commands(usages, table)
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return write(program, f"_{program.replace('-', '_')}", commands)


def _bash(program: str, function: str, commands: Sequence[CompletedCommand]) -> str:
    options = _all_options(commands)
    arguments = [
        f'                "{_path(command)}:{place}") names="{" ".join(words)}" ;;'
        for command in commands
        for place, words in enumerate(command.arguments)
        if words
    ]
    names = [
        f'                    "{_path(command)}") names="{" ".join(_bash_names(command.options))}" ;;'
        for command in commands
    ]
    values = [
        f"        {'|'.join(option.names)}) {_bash_values(option)} ;;"
        for option in options
        if option.words or option.paths
    ]
    return _BASH.substitute(
        program=program,
        function=function,
        with_value="|".join(_with_value(options)),
        commands="|".join(f'"0{_path(command)}"' for command in commands if command.words) or "''",
        arguments="\n".join(arguments) or "                *) ;;",
        options="\n".join(names),
        values="\n".join(values),
    )


def _bash_names(options: Iterable[CompletedOption]) -> list[str]:
    return [
        f"{name}=" if option.value and name.startswith("--") else name
        for option in options
        for name in option.names
    ]


def _bash_values(option: CompletedOption) -> str:
    if option.paths:
        return f"paths={'d' if option.paths == 'directory' else 'f'}"
    return f'names="{" ".join(option.words)}"'


def _zsh(program: str, function: str, commands: Sequence[CompletedCommand]) -> str:
    cases = []
    for command in commands:
        specs = [spec for option in command.options for spec in _zsh_option(option)]
        # Not the action for anything, a blank: its message would keep zsh from inserting the only option that fits.
        specs += [
            f"{place}:word:{_zsh_action(words, '') if words else '{:}'}"
            for place, words in enumerate(command.arguments, 1)
        ]
        lines = " \\\n".join(f"                {_quoted(spec)}" for spec in specs)
        cases.append(
            f"        ({_quoted(_path(command))})\n            _arguments \\\n{lines}\n            ;;"
        )
    return _ZSH.substitute(
        program=program,
        function=f"_{program}",  # zsh loads the function of that name from the file of that name
        commands="|".join(_quoted(_path(command)) for command in commands if command.words) or "''",
        cases="\n".join(cases),
    )


def _zsh_option(option: CompletedOption) -> Iterable[str]:
    text = re.sub(r"([\[\]\\])", r"\\\1", option.help)
    others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    for name in option.names:
        if not option.value:
            yield f"{others}{name}[{text}]"
            continue
        sign = "=" if name.startswith("--") else "+"
        action = _zsh_action(option.words, option.paths)
        yield f"{others}{name}{sign}[{text}]:{option.value}:{action}"


def _zsh_action(words: Sequence[str], paths: str) -> str:
    if paths:
        return "_files -/" if paths == "directory" else "_files"
    return f"({' '.join(words)})" if words else " "


def _fish(program: str, function: str, commands: Sequence[CompletedCommand]) -> str:
    lines = []
    for command in commands:
        for place, words in enumerate(command.arguments):
            if words:
                at = _quoted_in_fish(f"_{function} {_quoted_in_fish(_path(command))} {place}")
                lines.append(f"complete -c {program} -n {at} -a '{' '.join(words)}'")
        at = _quoted_in_fish(f"_{function} {_quoted_in_fish(_path(command))}")
        for option in command.options:
            lines.append(f"complete -c {program} -n {at} {_fish_option(option)}")
    with_value = _with_value(_all_options(commands))
    known = [_quoted_in_fish(_path(command)) for command in commands if command.words]
    return _FISH.substitute(
        program=program,
        function=function,
        with_value=" ".join(with_value),
        commands=" ".join(known) or "''",
        lines="\n".join(lines),
    )


def _fish_option(option: CompletedOption) -> str:
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    value = ""
    if option.paths == "file":
        value = " -r -F"
    elif option.paths == "directory":
        value = " -x -a '(__fish_complete_directories)'"
    elif option.value:
        value = f" -x -a '{' '.join(option.words)}'" if option.words else " -x"
    return f"{' '.join(names)}{value} -d {_quoted_in_fish(option.help)}"


def _all_options(commands: Iterable[CompletedCommand]) -> list[CompletedOption]:
    """Return the options of all commands, each once. Their values must not depend on the command."""
    found: dict[tuple[str, ...], CompletedOption] = {}
    for option in (option for command in commands for option in command.options):
        known = found.setdefault(option.names, option)
        if known[1:4] != option[1:4]:
            raise ValueError(f"{option.names[-1]} has different values in two commands")
    return list(found.values())


def _with_value(options: Iterable[CompletedOption]) -> list[str]:
    return [name for option in options if option.value for name in option.names]


def _path(command: CompletedCommand) -> str:
    return "".join(f" {word}" for word in command.words)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"


def _quoted_in_fish(text: str) -> str:
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
