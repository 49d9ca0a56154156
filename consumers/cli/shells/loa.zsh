#compdef loa
_loa() {
    local -a found
    found=(${(f)"$(_LOA_COMPLETE=zsh $words[1] "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then _describe loa found; else _files; fi
}
if [[ $funcstack[1] == _loa ]]; then _loa "$@"; else compdef _loa loa; fi
