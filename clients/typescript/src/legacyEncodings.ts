/** Old Vietnamese encodings read as Latin-1 or Windows-1252: recognised by what they would read. */

import { firstOf, isAscii, isLower, isUpper, lengthOf, SPACE, split } from "./python.js";
import { hasStackedMarks, nfc } from "./text.js";
import { COMMON_SYLLABLES, SYLLABLE, TCVN3, TONES, VNI_LETTERS, VNI_MARKS, VPS_LETTERS } from "./generated/encodings.js";

const LOOKED_AT = 2000;
const BEYOND_LATIN_1 = /[\u0100-\u02ff\u0370-\u1fff]/;
const BEYOND_CP1252 = new RegExp(
  "[\u0100-\u0151\u0154-\u015f\u0162-\u0177\u0179-\u017c\u017f-\u0191\u0193-\u02c5\u02c7-\u02db" +
    "\u02dd-\u02ff\u0370-\u1fff]",
);
const LETTERS_OF_TCVN3 =
  "[a-z][\u00a8\u00aa\u00ac\u00b5-\u00b9\u00bc-\u00be\u00d7\u00f7ÆÇÊÈÉËÌÎÏÑÒÕÓÔÖÝØÜÞþ]" +
  "|[\u00a7\u00ae][A-Za-z\u00b5-\u00feª]" +
  "|\u00ad[\u00acêëìíî]";
const LETTERS = new RegExp(`${LETTERS_OF_TCVN3}|[aeouy][äåïøûüëö]`, "gu");
const DENSE = 5;
const ASCII_SIGNS = "!-\\/:-@\\[-`\\{-~";
const WORD = new RegExp(`[^${SPACE}${ASCII_SIGNS}\u2010-\u2027]+`, "gu");
const VPS_WORD = new RegExp(`[^ \t\n\r\u00a0${ASCII_SIGNS}\u2018\u2019]+`, "gu");
const ODD =
  "\\x02-\\x1d\\x80-\\x9f\u0152\u0192\u2020\u2021\u2030\u2039\u20ac\u2122" +
  "\u00a2-\u00a9\u00ac-\u00b6\u00b9\u00bc-\u00be";
const VPS_SIGN = new RegExp(`[A-Za-z][${ODD}]|[${ODD}][A-Za-z]|[a-z][\u00c0-\u00de]|\u00c7[a-z]`, "u");
const VNI_PAIR = new RegExp(`([aeouyAEOUYôöÔÖ])([${Object.keys(VNI_MARKS).join("")}])`, "giu");
const TONE = new RegExp(TONES, "gu");
const WHOLE_SYLLABLE = new RegExp(`^(?:${SYLLABLE})$`, "u");
const COMMON = new Set(COMMON_SYLLABLES.split(" "));
const ONLY_LETTERS = /^\p{L}+$/u;

/** A text in an old encoding: the encoding's name, and what it would read. */
export interface LegacyText {
  readonly encoding: string;
  readonly reading: string;
}

interface Encoding {
  readonly name: string;
  readonly decode: (text: string) => string;
  readonly word: RegExp;
  readonly foreign: RegExp;
  readonly sign: RegExp;
}

const TCVN3_ENCODING: Encoding = {
  name: "TCVN3",
  decode: (text) => translated(text, TCVN3),
  word: WORD,
  foreign: BEYOND_LATIN_1,
  sign: /(?:)/,
};
const VNI_ENCODING: Encoding = { ...TCVN3_ENCODING, name: "VNI", decode: fromVni };
const VPS_ENCODING: Encoding = {
  name: "VPS",
  decode: (text) => translated(text, VPS_LETTERS),
  word: VPS_WORD,
  foreign: BEYOND_CP1252,
  sign: VPS_SIGN,
};
const ENCODINGS = [TCVN3_ENCODING, VNI_ENCODING, VPS_ENCODING];

/** Reading of *text* in an old encoding; null where it makes sense as it is. */
export function findLegacy(text: string): LegacyText | null {
  if (isAscii(text) || hasStackedMarks(text)) return null;
  const composed = nfc(text);
  const hits = composed.match(LETTERS)?.length ?? 0;
  const isDense = hits >= 3 && hits * DENSE >= split(composed).length;
  return (isDense ? bestReading(composed) : null) ?? likeliestReading(composed);
}

function likeliestReading(text: string): LegacyText | null {
  if (BEYOND_CP1252.test(text)) return null;
  const written = ENCODINGS.filter((one) => !one.foreign.test(text) && one.sign.test(text) && isWrittenIn(one, text));
  return firstBest(written.map((one) => readingIn(one, text)), likelihood);
}

/** Reading of *text*, which has letters of TCVN3 or VNI; null if most words become none. */
function bestReading(text: string): LegacyText | null {
  const marked = wordsOf(WORD, text).filter((word) => !isAscii(word));
  const read = (one: Encoding) => marked.filter((word) => isSyllable(one.decode(word))).length;
  const best = firstBest([TCVN3_ENCODING, VNI_ENCODING], read);
  return best && read(best) * 2 >= marked.length ? readingIn(best, text) : null;
}

/** Whether all words with marks become syllables, and enough of them were none before. */
function isWrittenIn(encoding: Encoding, text: string): boolean {
  const words = wordsOf(encoding.word, text);
  const marked = words.filter((word) => !isAscii(word));
  const plain = words.filter((word) => isAscii(word) && ONLY_LETTERS.test(word));
  if (plain.filter(isSyllable).length * 2 < plain.length) return false;
  if (!marked.every((word) => isSyllable(encoding.decode(word)))) return false;
  const strange = marked.filter((word) => !isSyllable(word)).length;
  return strange > 0 && strange + marked.length > 3;
}

/** The number of frequent syllables, less that of words with a capital behind a small letter. */
function likelihood({ reading }: LegacyText): number {
  const words = wordsOf(WORD, reading);
  const isEven = (word: string) => isUpper(word) || isLower(tailOf(word)) || lengthOf(word) === 1;
  const odd = words.filter((word) => !isEven(word)).length;
  return words.filter((word) => COMMON.has(word.toLowerCase())).length - odd;
}

function tailOf(word: string): string {
  return Array.from(word).slice(1).join("");
}

/** Whether *word* can be a Vietnamese syllable. */
export function isSyllable(word: string): boolean {
  const parts = word.toLowerCase().normalize("NFD");
  const tones = (parts.match(TONE) ?? []).join("");
  return WHOLE_SYLLABLE.test(parts.replace(TONE, "").normalize("NFC") + tones);
}

function readingIn(encoding: Encoding, text: string): LegacyText {
  return { encoding: encoding.name, reading: encoding.decode(text) };
}

function wordsOf(word: RegExp, text: string): readonly string[] {
  return firstOf(text, LOOKED_AT).match(word) ?? [];
}

/** The first of those that measure most. */
function firstBest<T>(all: readonly T[], measure: (one: T) => number): T | null {
  let best: { one: T; size: number } | null = null;
  for (const one of all) {
    const size = measure(one);
    if (best === null || size > best.size) best = { one, size };
  }
  return best?.one ?? null;
}

function translated(text: string, letters: Readonly<Record<string, string>>): string {
  return Array.from(text, (sign) => letters[sign] ?? sign).join("");
}

function fromVni(text: string): string {
  const mark = (letter: string) => VNI_MARKS[letter.toLowerCase()] ?? letter;
  const paired = text.replace(VNI_PAIR, (_, letter: string, sign: string) => letter + mark(sign));
  return nfc(Array.from(paired, vniLetter).join(""));
}

function vniLetter(letter: string): string {
  const plain = VNI_LETTERS[letter.toLowerCase()] ?? letter;
  return isUpper(letter) ? plain.toUpperCase() : plain;
}
