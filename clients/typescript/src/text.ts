/** Vietnamese text as Loa keeps it: NFC, visible, safe in a header, a feed or a page. */

import { BrokenRule, hexOf, type MessageCode } from "./errors.js";
import { codePoints, lengthOf, squeezeSpaces, strip, stripEnd } from "./python.js";

/** Characters that reorder displayed text. */
export const BIDI = "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
/** Control characters and noncharacters. */
export const CONTROL = "\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\ufdd0-\\ufdef\\ufffe\\uffff";
export const BREAK = "\\t\\n\\r\\u2028\\u2029";
/** More combining marks on a letter than any language needs. */
export const MARKS_MAX = 16;

const REFUSED: readonly (readonly [MessageCode, RegExp])[] = [
  ["surrogate", /\p{Cs}/u],
  ["control_character", new RegExp(`[${CONTROL}]`, "u")],
  ["bidi_character", new RegExp(`[${BIDI}]`, "u")],
  ["replacement_character", /\ufffd/u],
  ["eth_for_d_with_stroke", /\u00d0/u],
];
const ANY_BREAK = new RegExp(`[${BREAK}]`, "u");
const INVISIBLE = /[\u00ad\u180e\u200b-\u200d\u2060\ufeff]/g;
const INVISIBLE_IN_TEXT = /[\u00ad\u180e\u200b\u2060\ufeff]/g;
const LINE_END = /\r\n|[\r\u2028\u2029]/g;
const MAYBE_MARKS = new RegExp(`[^\\0-\\u02ff]{${MARKS_MAX + 1},}`, "u");

/** One line in stored form. Throws BrokenRule for refused characters. */
export function line(text: string): string {
  refuse(text);
  refuseMatch("line_break", ANY_BREAK, text);
  const squeezed = strip(squeezeSpaces(nfc(text).replace(INVISIBLE, "")));
  const begins = squeezed.indexOf("=?");
  if (begins >= 0 && begins <= squeezed.lastIndexOf("?=") - 2) throw new BrokenRule("encoded_word");
  return nfc(squeezed);
}

/** Text of several lines in stored form. Throws like `line`. */
export function paragraphs(text: string): string {
  refuse(text);
  const clean = nfc(text.replace(LINE_END, "\n").replace(INVISIBLE_IN_TEXT, ""));
  return stripEnd(clean.replace(/^\n+|\n+$/g, ""));
}

/** The composed form, in which `ộ` is one character on every machine. */
export function nfc(text: string): string {
  return text.normalize("NFC");
}

/** Whether a letter has more combining marks than any language needs. */
export function hasStackedMarks(text: string): boolean {
  if (!MAYBE_MARKS.test(text)) return false;
  let run = 0;
  for (const sign of text) {
    run = sign > "\u02ff" && isCombining(sign) ? run + 1 : 0;
    if (run > MARKS_MAX) return true;
  }
  return false;
}

const HIGHEST_MARK = "\u0345";
const COMBINING = new Map<string, boolean>([[HIGHEST_MARK, true]]);

/** Whether a character has a combining class: then it is sorted before the mark of the highest. */
function isCombining(sign: string): boolean {
  const known = COMBINING.get(sign);
  if (known !== undefined) return known;
  const isMark = !(HIGHEST_MARK + sign).normalize("NFD").startsWith(HIGHEST_MARK);
  COMBINING.set(sign, isMark);
  return isMark;
}

function refuse(text: string): void {
  if (hasStackedMarks(text)) throw new BrokenRule("stacked_marks", { limit: MARKS_MAX });
  for (const [code, pattern] of REFUSED) refuseMatch(code, pattern, text);
}

function refuseMatch(code: MessageCode, pattern: RegExp, text: string): void {
  const found = pattern.exec(text);
  if (!found) return;
  const position = lengthOf(text.slice(0, found.index)) + 1;
  throw new BrokenRule(code, { character: `U+${hexOf(found[0])}`, position });
}

/** The characters of a text from one place on, so many. */
export function cut(text: string, begin: number, count: number): string {
  return codePoints(text).slice(begin, begin + count).join("");
}
