/** Bytes as UTF-8 text; other encodings are refused, with the first wrong byte. */

import { unreadable } from "./errors.js";

const MARK = [0xef, 0xbb, 0xbf];
const UTF_16_STARTS = [[0xff, 0xfe], [0xfe, 0xff], [0x7b, 0], [0x5b, 0], [0, 0x7b], [0, 0x5b]];

/** The text of *body*, without a byte order mark. Throws ContractError. */
export function decodeUtf8(body: Uint8Array, field: string): string {
  const begins = (start: readonly number[]) => start.every((byte, at) => body[at] === byte);
  if (UTF_16_STARTS.some(begins)) throw unreadable(field, "utf16");
  const bytes = begins(MARK) ? body.subarray(MARK.length) : body;
  const text = textOf(bytes);
  if (text === null) throw unreadable(field, "not_utf8", { position: firstWrongByte(bytes) + 1 });
  return text;
}

/** The text of *bytes*, or null if they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** Where the first sequence begins that is no character; the length if all are. */
export function firstWrongByte(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (!length) return at;
    at += length;
  }
  return at;
}

function sequenceLength(bytes: Uint8Array, at: number): number {
  const [first = 0, second = 0] = bytes.subarray(at, at + 2);
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const rest = bytes.subarray(at + 1, at + length);
  const isWhole = rest.length === length - 1 && rest.every((byte) => byte >= 0x80 && byte <= 0xbf);
  const tooLow = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90);
  const tooHigh = (first === 0xed && second > 0x9f) || (first === 0xf4 && second > 0x8f);
  return isWhole && !tooLow && !tooHigh ? length : 0;
}
