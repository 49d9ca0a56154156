_loa() {
    local IFS=$'\n'
    COMPREPLY=($(_LOA_COMPLETE=bash "$1" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _loa loa
