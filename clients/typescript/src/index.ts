/** Sends events to Loa: checked first, with retries, kept on disk while Loa is away. */

export { checkEvent, type CheckOptions } from "./check.js";
export { headerValue, type EventHeaders } from "./envelope.js";
export { ContractError, type ErrorCode, type FieldError, type FieldWarning } from "./errors.js";
export { HttpPublisher, type HttpOptions } from "./http.js";
export { NatsPublisher, type NatsOptions } from "./nats.js";
export * as keys from "./keys.js";
export * as subjects from "./subjects.js";
export { Denied, type Accepted, type Drained, type GivenEvent, type Publisher, type PublisherOptions, type Spooled } from "./publisher.js";
export type { Audience, Province, Series, Topic, Unit, Vocabulary } from "./vocabulary.js";
export { PROVINCES, VOCABULARY } from "./generated/vocabulary.js";
export type * from "./generated/events.js";
