/** Texts whose Vietnamese letters were replaced on their way: `Th?ng`, `Th&ocirc;ng`, `Tho^ng`. */

import { isSyllable } from "./legacyEncodings.js";
import { firstOf, isAscii, LETTER, lengthOf, split } from "./python.js";
import { nfc } from "./text.js";
import { BARE_ENTITIES, ENTITIES } from "./generated/entities.js";

const QUESTION = new RegExp(`[${LETTER}]\\?[a-zà-ỹ]`, "u");
const ADDRESS = /[/=@]/;
const QUESTIONS_MIN = 3;
const ENTITY = /&(?:[A-Za-z]{2,8}|#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5});/g;
const VIQR_WORDS = /[A-Za-z^(+'`?~.]+/g;
const VIQR_VOWEL = /[aeoAEO]\^|[ouOU]\+/;
const VIQR_WORDS_MIN = 2;
const SYLLABLE_MAX = 12;
const LOOKED_AT = 5000;
const VIQR_MARKS: Readonly<Record<string, string>> = {
  "^": "\u0302", "(": "\u0306", "+": "\u031b",
  "'": "\u0301", "`": "\u0300", "?": "\u0309", "~": "\u0303", ".": "\u0323",
};
const CP1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";
const WHITE_SPACE = [0x09, 0x0a, 0x0c];
const CODE_POINT_MAX = 0x10ffff;

/** A sign of damage: the code of its text, a damaged word, and what it should read if known. */
export interface LostMarks {
  readonly code: "marks_lost" | "html_entity" | "viqr";
  readonly word: string;
  readonly reading: string;
}

/** Parts of a text that look damaged. Markdown may hold entities. */
export function* findLostMarks(text: string, isMarkdown: boolean): Generator<LostMarks> {
  const question = text.includes("?") ? findQuestionMark(text) : undefined;
  if (question !== undefined) yield { code: "marks_lost", word: question, reading: "" };
  const entity = text.includes("&") && !isMarkdown ? findEntity(text) : undefined;
  if (entity !== undefined) yield { code: "html_entity", word: entity, reading: unescaped(entity) };
  const viqr = /[\^+]/.test(text) ? findViqr(text) : undefined;
  if (viqr !== undefined) yield { code: "viqr", word: viqr, reading: fromViqr(viqr) };
}

/** A word with a question mark inside, if there are enough; addresses are none. */
function findQuestionMark(text: string): string | undefined {
  const first = QUESTION.exec(text);
  if (!first) return undefined;
  const begin = text.slice(0, first.index).lastIndexOf(" ") + 1;
  const near = split(firstOf(text.slice(begin), LOOKED_AT)).filter((word) => QUESTION.test(word));
  const words = near.filter((word) => !ADDRESS.test(word));
  return words.length >= (isAscii(text) ? 1 : QUESTIONS_MIN) ? words[0] : undefined;
}

function findEntity(text: string): string | undefined {
  const begin = text.search(ENTITY);
  const found = begin < 0 ? [] : (firstOf(text.slice(begin), LOOKED_AT).match(ENTITY) ?? []);
  return found.find((entity) => unescaped(entity) !== entity);
}

/** An entity as HTML reads it; one that HTML does not know stays as it is. */
function unescaped(entity: string): string {
  const name = entity.slice(1);
  if (!name.startsWith("#")) return named(name) ?? entity;
  const isHex = /^#[xX]/.test(name);
  return numbered(parseInt(name.slice(isHex ? 2 : 1), isHex ? 16 : 10));
}

function named(name: string): string | undefined {
  const whole = known(ENTITIES, name.slice(0, -1));
  if (whole !== undefined) return whole;
  for (let length = name.length - 1; length > 1; length--) {
    const begin = known(BARE_ENTITIES, name.slice(0, length));
    if (begin !== undefined) return begin + name.slice(length);
  }
  return undefined;
}

/** The entity of a name, which may be one that every object of JavaScript has. */
function known(entities: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(entities, name) ? entities[name] : undefined;
}

function numbered(code: number): string {
  const old = CP1252[code - 0x80];
  if (old !== undefined) return old;
  if (code === 0 || code > CODE_POINT_MAX || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code === 0x0d) return "\r";
  return isNoCharacter(code) ? "" : String.fromCodePoint(code);
}

function isNoCharacter(code: number): boolean {
  const isControl = (code < 0x20 && !WHITE_SPACE.includes(code)) || code === 0x7f;
  return isControl || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}

/** A word in VIQR, if there are enough: letters with their marks as signs behind them. */
function findViqr(text: string): string | undefined {
  const found = (firstOf(text, LOOKED_AT).match(VIQR_WORDS) ?? []).filter((word) => VIQR_VOWEL.test(word));
  const words = found.filter((word) => isViqr(word));
  return new Set(words).size >= VIQR_WORDS_MIN ? words[0] : undefined;
}

function isViqr(word: string): boolean {
  return word.length > 2 && lengthOf(word) <= SYLLABLE_MAX && isSyllable(fromViqr(word));
}

function fromViqr(word: string): string {
  const letters = word.replace(/[?.]+$/, "").replaceAll("dd", "đ").replace(/DD|Dd/g, "Đ");
  return nfc(Array.from(letters, (sign) => VIQR_MARKS[sign] ?? sign).join(""));
}
