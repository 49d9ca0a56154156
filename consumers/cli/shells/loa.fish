function __loa_words
    set -l words (commandline -opc) (commandline -ct)
    _LOA_COMPLETE=fish $words[1] $words[2..] 2>/dev/null
end
complete -c loa -a '(__loa_words)'
