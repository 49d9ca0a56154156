/** Titles as Zalo shows them: cut after a whole word where they are too long. */

import { codePoints, split } from "./python.js";
import { nfc } from "./text.js";

const ELLIPSIS = "…";
const TRIMMED = /[ ,;:.…\-–—("'“‘/]+$/u;
/** A cut moves back to the last space only if at least this share of the text remains. */
const WORD_CUT_MIN = 0.6;
const JOINER = "\u200d";
const ATTACHES = /^[\u{1f3fb}-\u{1f3ff}\u{e0020}-\u{e007f}\u200d\p{M}]/u;
const FLAG_LETTER = /^[\u{1f1e6}-\u{1f1ff}]$/u;
/** The most UTF-16 units of a title. */
export const TITLE_MAX = 140;
const ESCAPED_MAX = 149;
const ESCAPED_UNITS: Readonly<Record<string, number>> = { "&": 5, "<": 4, ">": 4, '"': 6, "'": 6 };

/** A title as one line in NFC; a shortened one ends after a whole word, with `…`. */
export function shortenTitle(text: string): string {
  const line = split(nfc(text)).join(" ");
  if (fits(line)) return line;
  const signs = codePoints(line);
  return signs.slice(0, cutPosition(signs)).join("").replace(TRIMMED, "") + ELLIPSIS;
}

/** Whether Zalo takes a title, as it is and HTML-escaped. */
function fits(text: string): boolean {
  const added = text.replace(/[^&<>"']/g, "");
  const escaped = Array.from(added).reduce((sum, sign) => sum + (ESCAPED_UNITS[sign] ?? 1) - 1, text.length);
  return text.length <= TITLE_MAX && escaped <= ESCAPED_MAX;
}

/** The furthest position that fits, moved back to the end of a word or character. */
function cutPosition(signs: readonly string[]): number {
  let [low, high] = [0, Math.min(signs.length, TITLE_MAX)];
  while (low < high) {
    const middle = Math.floor((low + high + 1) / 2);
    if (fits(signs.slice(0, middle).join("") + ELLIPSIS)) low = middle;
    else high = middle - 1;
  }
  const space = signs.slice(0, low + 1).lastIndexOf(" ");
  return space >= low * WORD_CUT_MIN ? space : characterBoundary(signs, low);
}

/** The nearest position that splits no letter from its marks and no emoji sequence. */
function characterBoundary(signs: readonly string[], from: number): number {
  let place = from;
  while (place > 0 && place < signs.length && splitsCharacter(signs, place)) place--;
  return place;
}

function splitsCharacter(signs: readonly string[], place: number): boolean {
  const after = signs[place] ?? "";
  let flags = 0;
  while (FLAG_LETTER.test(signs[place - 1 - flags] ?? "")) flags++;
  return ATTACHES.test(after) || signs[place - 1] === JOINER || (FLAG_LETTER.test(after) && flags % 2 === 1);
}
