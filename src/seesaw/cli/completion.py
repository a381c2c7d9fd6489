"""`seesaw completion bash|zsh|fish`: what a shell needs to complete the names of commands, groups, options and keys."""

from typing import Any

BASH = """\
_seesaw() {
    local current="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}"
    if [ "$COMP_CWORD" -le 1 ]; then
        COMPREPLY=($(compgen -W "COMMANDS" -- "$current"))
        return
    fi
    case "$command" in
        train|prepare|preview|search)
            COMPREPLY=($(COMP_LINE="seesaw ${COMP_LINE#*"$command" }" "${COMP_WORDS[0]}" train -sc query=bash 2>/dev/null)) ;;
        *) COMPREPLY=() ;;
    esac
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
COMP_WORDBREAKS=${COMP_WORDBREAKS//:}
complete -o nospace -o default -F _seesaw seesaw
"""
"""Hydra answers the queries; its own scripts cannot complete a command of a command."""

ZSH = f"""\
autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
{BASH}"""
"""zsh runs bash's function."""

FISH = """\
function __seesaw_complete
    set -l words (commandline -opc)
    set -lx COMP_LINE "seesaw "(string join " " -- $words[3..] (commandline -ct))
    seesaw train -sc query=fish 2>/dev/null
end
complete -c seesaw -f -n __fish_use_subcommand -a "COMMANDS"
complete -c seesaw -n "__fish_seen_subcommand_from train prepare preview search" -a "(__seesaw_complete)"
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""For `eval` (bash, zsh) and `source` (fish)."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    usage = 'completion of a shell: eval "$(seesaw completion bash)", or seesaw completion fish | source'
    command = commands.add_parser("completion", help=usage)
    command.add_argument("shell", choices=list(SCRIPTS), help="the shell")
    command.set_defaults(
        call=lambda options: SCRIPTS[options.shell].replace("COMMANDS", " ".join(commands.choices)).rstrip()
    )
