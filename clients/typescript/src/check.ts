/** The check that every door of Loa makes: an event is read, or refused with every wrong field. */

import type { CloudEvent } from "./cloudevent.js";
import { bulletinErrors, issueOf, ownerOfIssue } from "./bulletins.js";
import { campaignErrors, PLAN, planErrors } from "./campaigns.js";
import { damageErrors } from "./damagedText.js";
import { decode, fromPlain, fromStructured, percentDecoded, type EventHeaders } from "./envelope.js";
import { ContractError, fieldError, MAX_ERRORS, unknownWord, type FieldError, type FieldWarning, type ListedError } from "./errors.js";
import * as keys from "./keys.js";
import { isArray, isObject, type JsonObject } from "./json.js";
import { RENDERED_MAX, renderedSize } from "./markdownSize.js";
import { explain, readParts } from "./schemaCheck.js";
import { aliasesOf, isReserved, knows, unitError, wordError, type Vocabulary, type WordKind } from "./vocabulary.js";
import { findWarnings } from "./warnings.js";
import { SCHEMAS } from "./generated/schemas.js";
import { VOCABULARY } from "./generated/vocabulary.js";

export const SUBMITTED = "vn.gov.moha.content.submitted.v1";
export const CORRECTED = "vn.gov.moha.content.corrected.v1";
export const WITHDRAWN = "vn.gov.moha.content.withdrawn.v1";
export const CASE_UPDATED = "vn.gov.moha.case.updated.v1";
/** The types that the bus takes. */
export const BUS_TYPES: ReadonlySet<string> = new Set([SUBMITTED, CORRECTED, WITHDRAWN]);
/** The types that the HTTP door takes. */
export const HTTP_TYPES: ReadonlySet<string> = new Set([...BUS_TYPES, CASE_UPDATED]);

export type EventType = keyof typeof SCHEMAS;

const UNIT_SOURCE_PREFIX = "/units/";
const CASE_EXTENSIONS = ["sequence", "sequencetype", "traceparent", "tracestate"];

/** Options of `checkEvent`. */
export interface CheckOptions {
  /** The headers of a request or message: the mode is read from them. */
  readonly headers?: EventHeaders;
  /** The unit that sends; its source is checked, too. */
  readonly unit?: string;
  readonly vocabulary?: Vocabulary;
}

/** A checked event of a unit, with its identity. */
export interface CheckedEvent {
  readonly unit: string;
  readonly event: CloudEvent;
  readonly eventId: string;
  readonly contentHash: string;
  readonly contentId: string;
  /** null for a withdrawal, and for a case event, which the door numbers. */
  readonly revision: number | null;
  /** What readers will see otherwise than it was sent, as far as the client knows. */
  readonly warnings: readonly FieldWarning[];
}

/** Check an event as Loa's door does; the answer is what it warns of. Throws ContractError, which names each broken field. */
export function checkEvent(event: Uint8Array | string | object, options: CheckOptions = {}): readonly FieldWarning[] {
  const { headers, unit, vocabulary = VOCABULARY } = options;
  const read = readEvent(event, headers);
  if (unit !== undefined) {
    checkSender(read, unit, vocabulary);
    checkSourceSpelling(read.source);
  }
  return findWarnings(readContent(read, vocabulary), read.type === CASE_UPDATED);
}

/** The event in bytes, in a text or in an object. Throws ContractError. */
export function readEvent(event: Uint8Array | string | object, headers?: EventHeaders): CloudEvent {
  if (typeof event !== "string" && !(event instanceof Uint8Array)) return fromPlain(event);
  const body = typeof event === "string" ? Buffer.from(event) : event;
  return headers ? decode(headers, body) : fromStructured(body);
}

/** Check an event of *unit* against the types that its entry point takes. Throws ContractError. */
export function admit(
  event: CloudEvent,
  unit: string,
  vocabulary: Vocabulary,
  acceptedTypes: ReadonlySet<string>,
): CheckedEvent {
  if (isKnownType(event.type) && !acceptedTypes.has(event.type)) {
    throw invalid(fieldError("type", "type_closed", { value: event.type }));
  }
  const content = readContent(event, vocabulary);
  checkFilled(content);
  checkSender(event, unit, vocabulary);
  checkSourceSpelling(event.source);
  return checkedEvent(event, unit, content);
}

function checkedEvent(event: CloudEvent, unit: string, content: JsonObject): CheckedEvent {
  const revision = content.get("revision");
  return {
    ...uncheckedEvent(event, unit),
    contentId: contentIdOf(content),
    revision: typeof revision === "number" ? revision : null,
    warnings: findWarnings(content, event.type === CASE_UPDATED),
  };
}

/** A kept event with its identity, whose data the door alone judges. */
export function uncheckedEvent(event: CloudEvent, unit: string): CheckedEvent {
  const eventId = keys.eventId(unit, event.source, event.id);
  const contentHash = keys.contentHash(event.type, event.data);
  return { unit, event, eventId, contentHash, contentId: contentIdOf(event.data), revision: null, warnings: [] };
}

function contentIdOf(content: JsonObject): string {
  const code = content.get("case_code");
  return typeof code === "string" ? keys.caseContentId(code) : String(content.get("content_id"));
}

function isKnownType(type: string): type is EventType {
  return Object.hasOwn(SCHEMAS, type);
}

/** The fields of an event's data in stored form. Throws ContractError with every wrong field. */
function readContent(event: CloudEvent, vocabulary: Vocabulary): JsonObject {
  const type = event.type;
  if (!isKnownType(type)) throw invalid(unknownWord("type", "unknown_type", type, Object.keys(SCHEMAS)));
  const damaged = damageErrors(knownFields(event.data, type));
  const { value, details } = readParts(event.data, SCHEMAS[type]);
  if (details.length) {
    const found = ofPlan(explain(details, "data"), event.data, vocabulary);
    const errors = [...damaged, ...found.filter((one) => !damaged.some((other) => other.field === one.field))];
    throw invalid(...errors, ...unknownWords(event.data, vocabulary, errors));
  }
  const faults = [...damaged, ...nameErrors(event, value), ...unknownWords(event.data, vocabulary)];
  if (type === SUBMITTED || type === CORRECTED) {
    faults.push(...bulletinErrors(value, vocabulary), ...campaignErrors(value, vocabulary), ...sizeErrors(value));
  }
  if (faults.length) throw invalid(...faults);
  return value;
}

/** The fields of *data* that its type has: an unknown one is refused for its name. */
function knownFields(data: JsonObject, type: EventType): JsonObject {
  const known = SCHEMAS[type].properties ?? {};
  return new Map([...data].filter(([name]) => Object.hasOwn(known, name)));
}

/** The errors, with all of a campaign's plan as its own check names them. */
function ofPlan(errors: readonly ListedError[], data: JsonObject, vocabulary: Vocabulary): readonly ListedError[] {
  const plan = data.get(PLAN);
  if (!isObject(plan)) return errors;
  const others = errors.filter((one) => !one.field.startsWith(`data.${PLAN}.`));
  return [...others, ...planErrors(plan, vocabulary)];
}

function* nameErrors(event: CloudEvent, content: JsonObject): Generator<FieldError> {
  const contentId = contentIdOf(content);
  if (event.subject !== null && event.subject !== contentId) {
    yield fieldError("subject", "subject_differs", { value: contentId });
  }
  if (event.type === CASE_UPDATED) {
    const others = [...event.extensions.keys()].filter((name) => !CASE_EXTENSIONS.includes(name));
    for (const name of others.sort()) yield fieldError(name, "extension_of_case", { known: CASE_EXTENSIONS });
  } else if (keys.isPersonal(contentId) || keys.isDigest(contentId)) {
    yield fieldError("data.content_id", "name_of_a_case", { value: contentId });
  }
}

function* sizeErrors(content: JsonObject): Generator<FieldError> {
  const size = renderedSize(String(content.get("body")));
  if (size <= RENDERED_MAX) return;
  const kilobytes = { size: Math.ceil(size / 1024), limit: RENDERED_MAX / 1024 };
  yield fieldError("data.body", "rendered_too_large", kilobytes);
}

/** Errors for unknown topics and audiences, unless *errors* names the field already. */
function* unknownWords(
  data: JsonObject,
  vocabulary: Vocabulary,
  errors: readonly FieldError[] = [],
): Generator<FieldError> {
  for (const [field, kind, word] of vocabularyWords(data)) {
    if (errors.some((one) => one.field === field)) continue;
    if (!knows(vocabulary, kind, word)) yield wordError(field, kind, word, vocabulary);
    else if (kind === "topic" && isReserved(vocabulary, word)) yield fieldError(field, "own_topic", { value: word });
  }
}

function* vocabularyWords(data: JsonObject): Generator<readonly [string, WordKind, string]> {
  const [topic, audiences] = [data.get("topic"), data.get("audiences")];
  if (typeof topic === "string") yield ["data.topic", "topic", topic];
  for (const [place, audience] of (isArray(audiences) ? audiences : []).slice(0, MAX_ERRORS).entries()) {
    if (typeof audience === "string") yield [`data.audiences.${place}`, "audience", audience];
  }
}

/** Whether *unit* may send *event*. Throws ContractError. */
export function checkSender(event: CloudEvent, unit: string, vocabulary: Vocabulary): void {
  const error = unitError("source", unit, vocabulary);
  if (error) throw invalid(error);
  const named = event.source.replace(UNIT_SOURCE_PREFIX, "");
  const isNamed = event.source.startsWith(UNIT_SOURCE_PREFIX);
  if (isNamed && (aliasesOf(vocabulary).get(named) ?? named) !== unit) {
    throw forbidden(fieldError("source", "source_of_other_unit", { named, unit }));
  }
  const owner = ownerOfIssue(event.data, vocabulary);
  if (owner !== null && owner !== unit) {
    throw forbidden(fieldError("data.bulletin.series", "bulletin_unit", { value: owner }));
  }
}

/** An issue of a bulletin that tells of no item is not sent. Throws ContractError. */
function checkFilled(content: JsonObject): void {
  const issue = content.get("bulletin");
  if (isObject(issue) && !issueOf(issue).contentIds.length) {
    throw invalid(fieldError("data.bulletin", "bulletin_empty"));
  }
}

/** A source names a unit as `/units/<unit>`, in no other way. Throws ContractError. */
export function checkSourceSpelling(source: string): void {
  const parts: string[] = [];
  const decoded = Buffer.from(percentDecoded(source)).toString("utf8");
  const folded = decoded.toLowerCase().replaceAll("ſ", "s").replaceAll("\\", "/");
  for (const part of folded.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  if (parts[0] === "units" && !source.startsWith(UNIT_SOURCE_PREFIX)) {
    throw invalid(fieldError("source", "source_spelling", { value: source }));
  }
}

function invalid(...errors: readonly ListedError[]): ContractError {
  return new ContractError("invalid", errors);
}

function forbidden(error: FieldError): ContractError {
  return new ContractError("forbidden", [error]);
}
