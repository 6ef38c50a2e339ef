"""`kubectl model completion`: what a shell needs to complete the words of kubectl-model."""

import argparse
from collections.abc import Sequence

from modelrollout.cli.terminal import Terminal

_DESCRIPTION = """\
Print the completion of kubectl-model for a shell. What there is to choose from is asked of `kubectl_complete-model`,
which comes with it: names of ModelDeployments, revisions, namespaces and contexts too.
"""
_EPILOG = """\
  bash   source <(kubectl model completion bash)         in ~/.bashrc
  zsh    source <(kubectl model completion zsh)          in ~/.zshrc, after compinit; or kept as the file
                                                         _kubectl-model in a folder of fpath
  fish   kubectl model completion fish | source          in ~/.config/fish/config.fish

`kubectl model` itself is completed by kubectl's own completion, which finds kubectl_complete-model on the PATH; nothing
more is needed for it.
"""

_BASH = """\
# bash completion of kubectl-model
_kubectl_model() {
    local IFS=$'\\n' word directive last
    local -a answer words
    # bash takes a colon and an equals sign for words of their own, which they are not: arn:aws:eks, --output=json.
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if (( ${#words[@]} )) && [[ $word == [:=]* || ${words[-1]} == *: || ${words[-1]} == --*= ]]; then
            words[-1]+=$word
        else
            words+=("$word")
        fi
    done
    mapfile -t answer < <(kubectl_complete-model "${words[@]}" 2>/dev/null)
    directive=${answer[-1]#:}
    unset 'answer[-1]'
    last=${words[-1]}
    [[ $last == --*=* ]] && last=${last#*=}
    COMPREPLY=()
    for word in "${answer[@]%%$'\\t'*}"; do
        [[ $word == "$last"* ]] && COMPREPLY+=("${word#"${last%"${last##*:}"}"}")
    done
    (( directive & 2 )) && compopt -o nospace
    (( directive & 4 )) || compopt -o default
}
complete -F _kubectl_model kubectl-model
"""
_ZSH = """\
#compdef kubectl-model
# zsh completion of kubectl-model
_kubectl_model() {
    local -a answer choices
    local directive
    answer=("${(@f)$(kubectl_complete-model "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${answer[-1]#:}
    answer=("${(@)answer[1,-2]}")
    choices=("${(@)answer//:/\\\\:}")
    choices=("${(@)choices/$'\\t'/:}")
    [[ $words[CURRENT] == --*=* ]] && compset -P '*='
    (( ${#choices} )) && _describe 'kubectl-model' choices
    (( directive & 4 )) || _files
}
# Read from a folder of fpath, this file is itself the function that completes.
if [[ $funcstack[1] == _kubectl-model ]]; then
    _kubectl_model "$@"
else
    compdef _kubectl_model kubectl-model
fi
"""
_FISH = """\
# fish completion of kubectl-model
function __kubectl_model
    set -l words (commandline -opc)[2..] (commandline -ct)
    set -l answer (kubectl_complete-model $words 2>/dev/null)
    set -l flag (string match -r '^--[^=]+=' -- (commandline -ct))
    for line in $answer[1..-2]
        string join '' -- $flag $line
    end
    set -l directive (string sub -s 2 -- $answer[-1])
    if test (math "bitand($directive, 4)") -eq 0
        for path in (__fish_complete_path (string replace -r '^--[^=]+=' '' -- (commandline -ct)))
            string join '' -- $flag $path
        end
    end
end
complete -c kubectl-model -f -a '(__kubectl_model)'
"""
SHELLS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="kubectl model completion",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("shell", choices=tuple(SHELLS))
    return made


def run(arguments: Sequence[str], *, terminal: Terminal | None = None) -> int:
    options = parser().parse_args(arguments)
    (terminal or Terminal()).line(SHELLS[options.shell].rstrip())
    return 0
