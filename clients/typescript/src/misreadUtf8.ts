/** UTF-8 that a program took for Windows-1252 or Latin-1: `ThÃ´ng bÃ¡o` for `Thông báo`. */

import { isSyllable } from "./legacyEncodings.js";
import { codePoints, firstOf, isAscii, isUpper, LETTER, lengthOf, split } from "./python.js";
import { cut, nfc } from "./text.js";

const CP1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ";
const CP1252_BYTES = [
  0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x8e, 0x91,
  0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9e, 0x9f,
];
const BYTES = new Map(Array.from(CP1252, (sign, place) => [sign, CP1252_BYTES[place] ?? 0]));
const CP1252_SIGN = new RegExp(`[${CP1252}]|^[^\x80-\x9f]*$`, "u");
const NEXT = `[\x80-\xbf${CP1252}]`;
const PIECE_TEXT = `[Â-Æ]${NEXT}|Ì[€‚ƒ†‰›£§\x80-\x89\x9b]|á[º»]${NEXT}|â[€‚„\x80\x82\x84]${NEXT}`;
const PIECE = new RegExp(PIECE_TEXT, "u");
const PIECES = new RegExp(PIECE_TEXT, "gu");
const LEADS = ["á»", "áº", "Ã", "Ä", "Æ", "Ì", "â€", "â\x80"];
const WORDS = new RegExp(`(?:${PIECE_TEXT}|[${LETTER}])+`, "gu");
const LETTERS = new RegExp(`[${LETTER}]+`, "gu");
const ENDS = "…‚„‹›‘’“”•–—\xa0«»°·²³¹";
const AT_ENDS = new RegExp(`^[${ENDS}]+|[${ENDS}]+$`, "gu");
const ODD_LETTERS = /[a-zß-ÿ][Â-Æ]|[ªºƒ]/u;
const FOREIGN = new RegExp("[a-z]Ã[\xa1-\xbf]|[A-Z]Ã[\xa2\xa7-\xaa\xae\xb4][a-z]|â€[œ™\x9c\x99]", "u");
const LAYERS = 3;
const LOOKED_AT = 5000;
const SHOWN_BEFORE = 60;
const SHOWN_MAX = 1000;

/** Misread words in a text: the first one, and what the text should read. */
export interface MisreadText {
  readonly encoding: string;
  readonly word: string;
  readonly reading: string;
  /** Half of its words with marks are such, and a tenth of all. */
  readonly isMost: boolean;
}

/** The misread words of *text*; null where it makes sense as it is. */
export function findMisread(text: string): MisreadText | null {
  if (isAscii(text) || !LEADS.some((lead) => text.includes(lead))) return null;
  const first = PIECE.exec(text);
  if (!first) return null;
  const place = lengthOf(text.slice(0, first.index));
  return judge(cut(text, Math.max(0, place - SHOWN_BEFORE), LOOKED_AT));
}

function judge(text: string): MisreadText | null {
  const marked = (text.match(WORDS) ?? []).filter((word) => !isAscii(word));
  const odd = marked.filter((word) => PIECE.test(word));
  const misread = odd.filter(isMisread);
  const [word] = misread;
  if (word === undefined) return null;
  const sound = marked.length - odd.length;
  const needed = Math.max((sound + misread.length) / 2, split(text).length / 10);
  return {
    encoding: CP1252_SIGN.test(text) ? "Windows-1252" : "ISO-8859-1",
    word,
    reading: putTogether(firstOf(text, SHOWN_MAX)),
    isMost: misread.length >= needed,
  };
}

function isMisread(word: string): boolean {
  const bare = word.replace(AT_ENDS, "");
  if (/^\p{L}+$/u.test(bare) && !ODD_LETTERS.test(bare)) return false;
  const before = new Set(word.match(LETTERS) ?? []);
  const made = (putTogether(word).match(LETTERS) ?? []).filter((one) => !before.has(one));
  return FOREIGN.test(word) || made.some(isMarkedSyllable);
}

function isMarkedSyllable(word: string): boolean {
  const tail = codePoints(word).slice(1).join("");
  const isCased = isUpper(word) || tail === tail.toLowerCase();
  return isCased && !isAscii(word) && isSyllable(word);
}

/** *text* with its misread characters as they were meant. */
function putTogether(text: string): string {
  let made = text;
  for (let layer = 0; layer < LAYERS; layer++) {
    const before = made;
    made = made.replace(PIECES, asWritten);
    if (before === made) break;
  }
  return nfc(made);
}

function asWritten(piece: string): string {
  const raw = Uint8Array.from(codePoints(piece), (sign) => BYTES.get(sign) ?? sign.charCodeAt(0));
  return Buffer.from(raw).toString("utf8").replaceAll("\ufffd", "") || piece;
}
