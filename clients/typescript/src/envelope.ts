/** Decoding of CloudEvents in structured and binary mode, over HTTP and NATS. */

import { buildEvent, type CloudEvent } from "./cloudevent.js";
import { ContractError, fieldError, unreadable, WHOLE_EVENT, type FieldError } from "./errors.js";
import { compactJson, fromInput, isObject, readJson, type JsonInput, type Value } from "./json.js";
import { isAscii, strip } from "./python.js";
import { firstWrongByte, textOf } from "./utf8.js";

export const CONTENT_TYPE = "application/cloudevents+json";
export const BATCH_TYPE = "application/cloudevents-batch+json";
const JSON_TYPE = "application/json";
/** The most bytes that an event may have. */
export const MAX_EVENT_BYTES = 256 * 1024;
const STRUCTURED_OVERHEAD = 64;
const CHARSETS = ["utf-8", "utf8", "us-ascii"];

/** Headers by name; names are read in any case. */
export type EventHeaders = Headers | Readonly<Record<string, string>>;

/** One event in structured or binary mode. Throws ContractError, also for a batch. */
export function decode(headers: EventHeaders, body: Uint8Array): CloudEvent {
  const lowered = eventHeaders(headers);
  return isBinary(lowered) ? fromBinary(lowered, body) : fromStructured(body);
}

/** An event whose attributes and data are one JSON object. */
export function fromStructured(body: Uint8Array): CloudEvent {
  checkSize(body.length);
  return fromObject(readJson(body));
}

/** An event that is a JavaScript object. */
export function fromPlain(event: JsonInput): CloudEvent {
  const { value, size } = fromInput(event);
  checkSize(size);
  return fromObject(value);
}

/** The event as one JSON object; the same event always gives the same text. */
export function toStructured(event: CloudEvent): string {
  return compactJson(new Map([...event.attributes, ["data", event.data]]));
}

function fromObject(value: Value): CloudEvent {
  if (!isObject(value)) throw unreadable(WHOLE_EVENT, "not_object");
  const attributes = new Map(value);
  const base64 = attributes.get("data_base64") ?? null;
  attributes.delete("data_base64");
  if (base64 !== null) throw new ContractError("invalid", [fieldError("data_base64", "data_base64")]);
  checkJsonType(attributes.get("datacontenttype"));
  const data = attributes.get("data") ?? undefined;
  attributes.delete("data");
  return buildEvent(attributes, data);
}

/** Whether attributes are headers. Throws ContractError for what is not marked as an event. */
function isBinary(lowered: ReadonlyMap<string, string>): boolean {
  const media = mediaType(lowered.get("content-type") ?? "", "Content-Type");
  if (media === BATCH_TYPE) throw unsupported(fieldError("Content-Type", "batch_not_here"));
  if (media === CONTENT_TYPE || media === "application/cloudevents") return false;
  if (media.startsWith("application/cloudevents")) throw notAccepted(media, `${CONTENT_TYPE}, ${BATCH_TYPE}`);
  if ([...lowered.keys()].some((name) => name.startsWith("ce-"))) return true;
  if (!media) return false;
  throw notAccepted(media, `${CONTENT_TYPE}, ${BATCH_TYPE}, ${JSON_TYPE} + ce-*`);
}

function fromBinary(lowered: ReadonlyMap<string, string>, body: Uint8Array): CloudEvent {
  const attributes = new Map<string, Value>();
  for (const [header, value] of lowered) {
    if (header.startsWith("ce-")) attributes.set(header.slice(3), attributeText(header, value));
  }
  checkSize(body.length + Buffer.byteLength(compactJson(attributes)) + STRUCTURED_OVERHEAD);
  if (!attributes.has("datacontenttype")) {
    attributes.set("datacontenttype", lowered.get("content-type") ?? null);
  }
  checkJsonType(attributes.get("datacontenttype"));
  const isEmpty = body.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));
  return buildEvent(attributes, isEmpty ? undefined : readJson(body, "data"));
}

function eventHeaders(headers: EventHeaders): ReadonlyMap<string, string> {
  const lowered = new Map<string, string>();
  const pairs = headers instanceof Headers ? [...headers] : Object.entries(headers);
  for (const [name, value] of pairs) {
    const key = strip(name).toLowerCase();
    if (!key.startsWith("ce-") && !key.startsWith("content-")) continue;
    if ((lowered.get(key) ?? value) !== value) throw unreadable(key, "header_repeated");
    lowered.set(key, value);
  }
  return lowered;
}

/** The value of a `ce-*` header: quotes taken off, percent-decoded once. */
function attributeText(header: string, value: string): string {
  if (!isAscii(value)) throw unreadable(header, "header_encoding");
  const quoted = /^"((?:[^"\\]|\\[^])*)"$/.exec(value);
  const written = quoted ? (quoted[1] ?? "").replace(/\\(.)/g, "$1") : value;
  if (/%(?![0-9A-Fa-f]{2})/.test(written)) throw unreadable(header, "percent_encoding");
  const bytes = percentDecoded(written);
  const text = textOf(bytes);
  if (text === null) throw unreadable(header, "not_utf8", { position: firstWrongByte(bytes) + 1 });
  return text;
}

/** The bytes of an ASCII text after percent-decoding. */
export function percentDecoded(text: string): Uint8Array {
  const raw = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(raw, "latin1");
}

function checkJsonType(given: Value | undefined): void {
  if (typeof given !== "string") return;
  const media = mediaType(given, "datacontenttype");
  if (!media || media === JSON_TYPE || media.endsWith("+json")) return;
  const values = { value: media, accepted: JSON_TYPE };
  throw unsupported(fieldError("datacontenttype", "content_type", values));
}

/** The media type without its parameters. Throws ContractError for a charset but UTF-8. */
function mediaType(contentType: string, field: string): string {
  const [media = "", ...parameters] = contentType.toLowerCase().split(";");
  for (const parameter of parameters) {
    const [name = "", ...rest] = parameter.split("=");
    const value = rest.join("=").replace(/^[ "]+|[ "]+$/g, "");
    if (strip(name) === "charset" && !CHARSETS.includes(value)) {
      throw unsupported(fieldError(field, "charset", { value }));
    }
  }
  return strip(media);
}

function notAccepted(media: string, accepted: string): ContractError {
  return unsupported(fieldError("Content-Type", "content_type", { value: media, accepted }));
}

function unsupported(error: FieldError): ContractError {
  return new ContractError("unsupported_media", [error]);
}

function checkSize(size: number): void {
  if (size <= MAX_EVENT_BYTES) return;
  const values = { size, limit: MAX_EVENT_BYTES };
  throw new ContractError("too_large", [fieldError(WHOLE_EVENT, "event_too_large", values)]);
}

/** The value of a `ce-*` header: everything but visible ASCII, and `"` and `%`, percent-encoded. */
export function headerValue(value: string | number | boolean): string {
  return String(value).replace(/[^\x21-\x7e]|["%]/gu, (sign) => encodeURIComponent(sign));
}
