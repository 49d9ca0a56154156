/** Likeness of words, to ask whether a known word was meant: the measure of Python's difflib. */

import { codePoints } from "./python.js";

const SIMILARITY = 0.75;

/** The known word that resembles *value* most, if one does; of equals the last in the alphabet. */
export function nearestWord(value: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestRatio = SIMILARITY;
  for (const word of known) {
    const ratio = similarity(word, value);
    if (ratio > bestRatio || (ratio === bestRatio && (best === null || word > best))) {
      [best, bestRatio] = [word, ratio];
    }
  }
  return best;
}

function similarity(one: string, other: string): number {
  const [a, b] = [codePoints(one), codePoints(other)];
  const length = a.length + b.length;
  return length ? (2 * countMatches(a, b)) / length : 1;
}

/** Characters in the longest common block, and in those before and behind it. */
function countMatches(a: readonly string[], b: readonly string[]): number {
  const { at, inOther, size } = longestBlock(a, b);
  if (!size) return 0;
  const before = countMatches(a.slice(0, at), b.slice(0, inOther));
  return before + size + countMatches(a.slice(at + size), b.slice(inOther + size));
}

function longestBlock(a: readonly string[], b: readonly string[]) {
  let best = { at: 0, inOther: 0, size: 0 };
  let lengths: number[] = [];
  for (let i = 0; i < a.length; i++) {
    const next: number[] = [];
    for (let j = 0; j < b.length; j++) {
      if (a[i] !== b[j]) continue;
      const size = (lengths[j - 1] ?? 0) + 1;
      next[j] = size;
      if (size > best.size) best = { at: i - size + 1, inOther: j - size + 1, size };
    }
    lengths = next;
  }
  return best;
}
