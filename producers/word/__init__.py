"""Word documents as the contract's Markdown: bounded, read by mammoth in a process of its own."""

from producers.word.convert import ConvertedDocument as ConvertedDocument
from producers.word.convert import convert_document as convert_document
from producers.word.convert import loss_texts as loss_texts
