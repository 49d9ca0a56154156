"""HTML of Word documents and editors as the contract's Markdown; pure functions without I/O."""

from producers.html_to_markdown.convert import Converted as Converted
from producers.html_to_markdown.convert import to_markdown as to_markdown
from producers.html_to_markdown.losses import Loss as Loss
from producers.html_to_markdown.losses import Losses as Losses
