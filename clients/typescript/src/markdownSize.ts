/** The size that a Markdown text can take when it is shown: counted, not rendered. */

import { lengthOf } from "./python.js";

/** The most bytes of a rendered body. */
export const RENDERED_MAX = 512 * 1024;

const LINE = 16;
const CHARACTERS: Readonly<Record<string, number>> = {
  "&": 4, "<": 3, ">": 3, '"': 5, "\u00a0": 4, "\t": 3, "\n": LINE, "*": 5, _: 5, "`": 75,
};
const MARKER = 110;
const HEADING = 85;
const CODE_BLOCK = 400;
const TABLE = 300;
const HEADER_CELL = 170;
const CELL = 130;
const LINK = 90;
const BASE_URL = 160;
const SHOWN = 2;
const MARGIN_MAX = 40;
const MARGIN_GROWTH = 3;
const TAB = 4;

const CONTAINERS = /^[ \t]*(?:(?:>|[-+*](?=[ \t]|$)|\p{Nd}{1,9}[.)](?=[ \t]|$))[ \t]*)*/gmu;
const ONE_MARKER = />|[-+*]|\p{Nd}+[.)]/gu;
const BLANK_LINE = /\n[ \t]*\n/;
const HASHES = /#+/g;
const UNDERLINE = /[-=*_][ \t]*$/gm;
const INDENTED = /^(?: {0,3}\t|[ \t>+*\p{Nd}.)-]*?(?: {4}|\t[ \t]| {2}\t))/gmu;
const DELIMITERS = /[-:| \t]*$/;
const TABLE_HEAD = /^[-:| \t>+*0-9.)]*$/;
const ANGLE = /<(?:\\.|[^<>\n\\])*>/y;
const WORD = /[^\0-\x20\x7f]*/y;
const INLINE_LINK = /\]\([ \t]*(\n[ \t>]*)?(<(?:\\.|[^<>\n\\])*>|[^\0-\x20\x7f]*)/gu;
const ABSOLUTE = /\]\([ \t\n]*<?https?:\/\//gi;
const IN_BRACKETS = /<([^<>\0-\x20]*)>/g;
const DEFINITION = /\]:[ \t]*(\n[ \t>]*)?/g;
const TITLE = /[ \t]*(?:\n[ \t>]*)?(?:"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'|\((?:\\[^]|[^()\\])*\))/y;
const SAFE_IN_URL = /[A-Za-z0-9\-._~:/?#@!$'()*+,;=]/g;

/** The most bytes that *markdown* can take, as HTML or as text of any channel; counting ends above the limit. */
export function renderedSize(markdown: string): number {
  let size = 0;
  for (const count of PARTS) {
    size += count(markdown);
    if (size > RENDERED_MAX) break;
  }
  return size;
}

const PARTS: readonly ((markdown: string) => number)[] = [
  charactersSize, leavesSize, inlineLinksSize, referencesSize, tablesSize, containersSize,
];

function charactersSize(markdown: string): number {
  let size = LINE + Buffer.byteLength(markdown);
  for (const sign of markdown) size += CHARACTERS[sign] ?? 0;
  return size;
}

/** Headings, rules and code blocks. */
function leavesSize(markdown: string): number {
  const headings = countOf(markdown, HASHES) + countOf(markdown, UNDERLINE);
  const fences = countOf(markdown, /```/g) + countOf(markdown, /~~~/g);
  return headings * HEADING + (fences + countOf(markdown, INDENTED)) * CODE_BLOCK;
}

/** Quotations and lists: their tags, and the margins of their lines in plain text. */
function containersSize(markdown: string): number {
  let [tags, margins] = [0, 0];
  for (const block of markdown.split(BLANK_LINE)) {
    const prefixes = Array.from(block.matchAll(CONTAINERS), ([prefix]) => prefix);
    const markers = countMarkers(prefixes);
    tags += markers * MARKER;
    if (tags > RENDERED_MAX) break;
    const widest = Math.max(...prefixes.map(widthOf));
    const lines = prefixes.length + markers + countOf(block, /&/g);
    const width = Math.min(widest, MARGIN_MAX) * MARGIN_GROWTH;
    margins += lines * width * (block.includes(">") ? 2 : 1);
  }
  return tags ? tags + margins : 0;
}

/** The markers of a block's lines, or as many as are beyond the limit. */
function countMarkers(prefixes: readonly string[]): number {
  const most = Math.floor(RENDERED_MAX / MARKER) + 1;
  let count = 0;
  for (const prefix of prefixes) {
    count += countOf(prefix, ONE_MARKER);
    if (count >= most) return most;
  }
  return count;
}

/** The width of a prefix with its tabs as spaces. */
function widthOf(prefix: string): number {
  let width = 0;
  for (const sign of prefix) width = sign === "\t" ? width + TAB - (width % TAB) : width + 1;
  return width;
}

function tablesSize(markdown: string): number {
  if (!markdown.includes("|")) return 0;
  return markdown.split(BLANK_LINE).reduce((sum, block) => sum + rowsSize(block), 0);
}

/** Tables of a block without blank lines: each row is as wide as the widest header so far. */
function rowsSize(block: string): number {
  let [size, columns] = [0, 0];
  for (const line of block.split("\n")) {
    const delimiters = DELIMITERS.exec(line)?.[0] ?? "";
    if (delimiters.includes("-") && TABLE_HEAD.test(line)) {
      const width = countOf(delimiters, /\|/g) + 1;
      size += TABLE + width * HEADER_CELL;
      columns = Math.max(columns, width);
    }
    size += columns * CELL;
  }
  return size;
}

/** Links and pictures with their address beside them, and addresses in angle brackets. */
function inlineLinksSize(markdown: string): number {
  const links = countOf(markdown, /\]\(/g);
  const relative = links - countOf(markdown, ABSOLUTE);
  const inline = Array.from(markdown.matchAll(INLINE_LINK), ([, gap = "", address = ""]) => gap + address);
  const angles = Array.from(markdown.matchAll(IN_BRACKETS), ([, address = ""]) => address);
  const autolinks = angles.filter((one) => /[:@]/.test(one));
  const addresses = [...inline, ...autolinks].reduce((sum, one) => sum + urlSize(one), 0);
  return (links + autolinks.length) * LINK + SHOWN * relative * BASE_URL + SHOWN * addresses;
}

/** References: each closing bracket may be a use of the longest definition. */
function referencesSize(markdown: string): number {
  if (!markdown.includes("]:")) return 0;
  const uses = countOf(markdown, /\]/g);
  const base = uses * (LINK + SHOWN * BASE_URL);
  let size = base;
  for (const address of definitionSizes(markdown)) {
    if (size > RENDERED_MAX) break;
    size = Math.max(size, base + uses * SHOWN * address);
  }
  return size;
}

/** Sizes of addresses with their titles, of all that may be definitions. */
function* definitionSizes(markdown: string): Generator<number> {
  let wordEnd = 0;
  for (const mark of markdown.matchAll(DEFINITION)) {
    const end = mark.index + mark[0].length;
    const begin = mark[1] === undefined ? end : end - mark[1].length;
    let found: number | null = null;
    if (markdown.startsWith("<", end)) found = endOf(ANGLE, markdown, end);
    else if (begin >= wordEnd) found = wordEnd = endOf(WORD, markdown, end) ?? end;
    if (found !== null) yield urlSize(markdown.slice(begin, endOf(TITLE, markdown, found) ?? found));
  }
}

function endOf(pattern: RegExp, text: string, at: number): number | null {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : null;
}

/** An address, percent-encoded and escaped. */
function urlSize(address: string): number {
  return lengthOf(address) + 5 * Buffer.byteLength(address.replace(SAFE_IN_URL, ""));
}

function countOf(text: string, pattern: RegExp): number {
  let count = 0;
  for (const _ of text.matchAll(pattern)) count++;
  return count;
}
