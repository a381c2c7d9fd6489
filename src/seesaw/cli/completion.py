"""`seesaw completion bash`: what a shell needs to complete the names of commands, groups, options and keys."""

from typing import Any

SCRIPT = """\
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
"""Of bash. Hydra answers the queries; its own script cannot complete a command of a command."""


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`."""
    command = commands.add_parser("completion", help='completion of a shell: eval "$(seesaw completion bash)"')
    command.add_argument("shell", choices=["bash"], help="the shell")
    command.set_defaults(call=lambda options: SCRIPT.replace("COMMANDS", " ".join(commands.choices)).rstrip())
