/** Publishing over NATS, with the unit's key for the bus. */

import { readFile } from "node:fs/promises";
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  headers,
  nkeyAuthenticator,
  nkeys,
  PermissionViolationError,
  type ConnectionOptions,
  type NatsConnection,
} from "@nats-io/transport-node";
import { BUS_TYPES, type CheckedEvent } from "./check.js";
import { CONTENT_TYPE, toStructured } from "./envelope.js";
import { ContractError, localized } from "./errors.js";
import { away, Denied, Publisher, type Accepted, type Door, type PublisherOptions } from "./publisher.js";
import { insist } from "./retry.js";
import { content, type ContentKind } from "./subjects.js";
import { ACCESS_TEXTS } from "./generated/messages.js";

const REFUSED = {
  en: "the NATS server refuses this key: {detail}",
  vi: "máy chủ NATS không chấp nhận khóa này: {detail}",
};

/** Options of the publisher over NATS. */
export interface NatsOptions extends PublisherOptions {
  /** Addresses of the NATS servers, as in `nats://loa.example:4222`. */
  readonly servers: string | readonly string[];
  /** The file with the seed of the unit's key, as `loa units bus-key` writes it. */
  readonly nkeyFile?: string;
  /** A credentials file, where the server asks for one. */
  readonly credsFile?: string;
  /** The CA of the server's certificate. */
  readonly caFile?: string;
}

/**
 * Publishes the events of one unit over NATS. Accepted means stored, not valid: Loa checks once more.
 *
 * An event that the key may not publish is refused (`forbidden`); a copy is kept in `spool/refused`.
 */
export class NatsPublisher extends Publisher {
  constructor(options: NatsOptions) {
    super(new NatsDoor(options), options);
  }
}

interface StoreAnswer {
  readonly stream?: string;
  readonly duplicate?: boolean;
  readonly error?: { readonly description?: string };
}

class NatsDoor implements Door {
  readonly types = BUS_TYPES;
  private connection: NatsConnection | null = null;
  private connecting: Promise<NatsConnection> | null = null;

  constructor(private readonly options: NatsOptions) {}

  async send(event: CheckedEvent, end: number): Promise<Accepted> {
    const stored = await this.store(event, event.eventId, end);
    // Only Loa may read the stream: it compares a second message with the first, and refuses other content.
    if (stored.duplicate) await this.store(event, `${event.eventId}.${event.contentHash}`, end);
    const { eventId, contentId, revision, warnings } = event;
    const duplicate = stored.duplicate ?? false;
    return { outcome: "accepted", eventId, contentId, revision, duplicate, trial: false, warnings };
  }

  async close(): Promise<void> {
    await this.connection?.close();
    this.connection = null;
  }

  private async store(event: CheckedEvent, id: string, end: number): Promise<StoreAnswer> {
    return await insist(end, (leftMs) => this.request(event, id, leftMs));
  }

  private async request(event: CheckedEvent, id: string, timeout: number): Promise<StoreAnswer> {
    const subject = content(event.unit, event.event.type.split(".").at(-2) as ContentKind);
    const options = await this.connectionOptions(timeout); // a file that is missing is no absence of Loa
    try {
      const connection = await this.connected(options);
      const answer = await connection.request(subject, toStructured(event.event), { timeout, headers: headersOf(id) });
      const stored = answer.json<StoreAnswer>();
      if (stored.error || !stored.stream) throw new Error(stored.error?.description ?? "no stream");
      return stored;
    } catch (error) {
      throw this.explained(error, subject, event.unit);
    }
  }

  private async connected(options: ConnectionOptions): Promise<NatsConnection> {
    if (this.connection && !this.connection.isClosed()) return this.connection;
    this.connecting ??= connect(options).finally(() => (this.connecting = null));
    this.connection = await this.connecting;
    return this.connection;
  }

  private async connectionOptions(timeout: number): Promise<ConnectionOptions> {
    const { servers, unit, nkeyFile, credsFile, caFile } = this.options;
    return {
      servers: typeof servers === "string" ? servers.split(",") : [...servers],
      name: `loa-client-${unit}`,
      timeout,
      maxReconnectAttempts: -1,
      ...(caFile === undefined ? {} : { tls: { caFile } }),
      ...(nkeyFile === undefined ? {} : nkeyOptions(await readFile(nkeyFile))),
      ...(credsFile === undefined ? {} : { authenticator: credsAuthenticator(await readFile(credsFile)) }),
    };
  }

  /** The error of a request that was not answered as it should. */
  private explained(error: unknown, subject: string, unit: string): ContractError {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const field = this.options.nkeyFile === undefined ? "servers" : "nkeyFile";
    if (cause instanceof PermissionViolationError) {
      return new Denied(localized(field, ACCESS_TEXTS.denied, { subject, unit }));
    }
    if (cause instanceof AuthorizationError) {
      return new ContractError("unauthorized", [localized(field, REFUSED, { detail: cause.message })]);
    }
    return away(error);
  }
}

/** The answers to an nkey arrive in an inbox of its own. */
function nkeyOptions(file: Uint8Array): ConnectionOptions {
  const seed = new TextEncoder().encode(new TextDecoder().decode(file).trim());
  const inboxPrefix = `_INBOX.${nkeys.fromSeed(seed).getPublicKey()}`;
  return { authenticator: nkeyAuthenticator(seed), inboxPrefix };
}

function headersOf(id: string) {
  const head = headers();
  head.set("Content-Type", CONTENT_TYPE);
  head.set("Nats-Msg-Id", id);
  return head;
}
