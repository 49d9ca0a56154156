/**
 * Events kept on the local disk, in order, while Loa is away.
 *
 * One file per event, `<time>-<event_id>.json`, fsynced before the caller gets an answer. The form
 * is that of Loa's Python client, so either may send what the other has kept.
 */

import { mkdir, open, readdir, readFile, rename, stat, unlink, writeFile, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { CheckedEvent } from "./check.js";
import type { CloudEvent } from "./cloudevent.js";
import { fromPlain } from "./envelope.js";
import { ContractError, fieldError, localized, readEach } from "./errors.js";
import { isMissing, requireLocks, takeLock } from "./fileLock.js";
import { isObject, readJson, spacedJson, toPlain, type Value } from "./json.js";
import { SPOOL_TEXTS } from "./generated/messages.js";

const EVENT_FILE = /^\d{20}-[a-z2-7]{26}\.json$/;
const REFUSED_FOLDER = "refused";
const TIME_DIGITS = 20;
const NS_PER_MS = 1_000_000n;

/** A spooled event and its unit. */
export interface SpooledEvent {
  readonly unit: string;
  readonly event: CloudEvent;
}

/** A file in the spool, and what is in it. */
interface EventFile {
  readonly path: string;
  readonly body: string;
}

/** Gives each event its file, in order. Throws ContractError. */
type PlaceEach = (
  events: readonly CheckedEvent[],
  place: (event: CheckedEvent) => string,
) => readonly string[];

/** A folder of waiting events. Several processes may share it: many writers, one drainer. */
export class Spool {
  constructor(readonly folder: string) {
    requireLocks();
  }

  /**
   * Append an event and return its file after fsync. An event that waits already is not stored twice.
   *
   * Throws ContractError for other content under the same id, the system's error if the disk refuses.
   */
  async append(event: CheckedEvent): Promise<string> {
    const [path] = await this.appendAll([event], (events, place) => events.map(place));
    return path as string;
  }

  /** Append events as `append` does, all or none. A conflict names places, as `[3].id`. */
  async appendBatch(events: readonly CheckedEvent[]): Promise<readonly string[]> {
    return await this.appendAll(events, readEach);
  }

  /** The files of events; none has the name by which a drain finds it before all are on the disk. */
  private async appendAll(events: readonly CheckedEvent[], placeEach: PlaceEach): Promise<readonly string[]> {
    return await this.appending(async () => {
      const waiting = await this.waiting();
      const files = await findWaiting(waiting, events);
      const [count, time] = [files.size, nextTimestamp(waiting)];
      const paths = placeEach(events, (event) => {
        const body = fileBody(event);
        const file = files.get(event.eventId) ?? { path: this.newPath(event, time + BigInt(files.size)), body };
        if (file.body !== body) throw new ContractError("conflict", [fieldError("id", "same_id_other_content")]);
        files.set(event.eventId, file);
        return file.path;
      });
      await writeDurably([...files.values()].slice(count), this.folder);
      return paths;
    });
  }

  private newPath({ eventId }: CheckedEvent, time: bigint, folder = this.folder): string {
    return join(folder, `${String(time).padStart(TIME_DIGITS, "0")}-${eventId}.json`);
  }

  /** The waiting events, oldest first. */
  async waiting(): Promise<string[]> {
    const names = (await namesIn(this.folder)).filter((name) => EVENT_FILE.test(name));
    return names.sort().map((name) => join(this.folder, name));
  }

  /** Read a file. Throws ContractError if the file is damaged. */
  async read(path: string): Promise<SpooledEvent> {
    const content = readJson(await readFile(path));
    const [unit, event] = isObject(content) ? [content.get("unit"), content.get("event")] : [];
    if (typeof unit !== "string") throw new ContractError("unreadable", [fieldError("unit", "missing")]);
    return { unit, event: fromPlain(toPlain(event ?? new Map())) };
  }

  /** Delete a file after its event was stored; a repeat is harmless. */
  async remove(path: string): Promise<void> {
    await unlink(path).catch(unlessMissing);
  }

  /** Move a refused event to the folder `refused`; a text of the same name says why. */
  async setAside(path: string, reason: string): Promise<string> {
    const moved = join(await this.refusedFolder(), basename(path));
    await rename(path, moved);
    await syncFolder(dirname(moved));
    await writeFile(reasonFile(moved), reason);
    return moved;
  }

  /** Keep a copy of an event that is refused to its sender; the same event once. */
  async keepRefused(event: CheckedEvent, reason: string): Promise<string> {
    const body = fileBody(event);
    return await this.appending(async () => {
      const aside = await this.refusedFolder();
      for (const name of await namesIn(aside)) {
        const kept = join(aside, name);
        if (name.endsWith(`-${event.eventId}.json`) && (await readFile(kept, "utf8")) === body) return kept;
      }
      const path = this.newPath(event, nextTimestamp([]), aside);
      await writeDurably([{ path, body }], this.folder);
      await writeFile(reasonFile(path), reason);
      return path;
    });
  }

  /** The result of *send*; null where another process sends and removes files. Throws ContractError without locks. */
  async draining<T>(send: () => Promise<T>): Promise<T | null> {
    const isThere = await stat(this.folder).catch(unlessMissing);
    const lock = isThere && (await this.drainLock());
    if (!lock) return null;
    try {
      return await send();
    } finally {
      await lock.close();
    }
  }

  private async drainLock(): Promise<FileHandle | null> {
    try {
      return await takeLock(join(this.folder, "drain.lock"), { waits: false });
    } catch (error) {
      if (error instanceof ContractError) throw error;
      const facts = { folder: this.folder, detail: error instanceof Error ? error.message : String(error) };
      throw new ContractError("unavailable", [localized("spool", SPOOL_TEXTS.not_locked, facts)]);
    }
  }

  /** Let one process write. Half-written files of a killed one were never acknowledged. */
  private async appending<T>(write: () => Promise<T>): Promise<T> {
    await makeFolder(this.folder);
    const lock = await takeLock(join(this.folder, "append.lock"), { waits: true });
    try {
      const partial = (await namesIn(this.folder)).filter((name) => name.endsWith(".tmp"));
      for (const name of partial) await this.remove(join(this.folder, name));
      return await write();
    } finally {
      await lock?.close();
    }
  }

  private async refusedFolder(): Promise<string> {
    const aside = join(this.folder, REFUSED_FOLDER);
    await makeFolder(aside);
    return aside;
  }
}

/** The bytes that Loa's Python client writes for the same event, too: equal events are equal files. */
function fileBody({ unit, event }: CheckedEvent): string {
  const whole = new Map<string, Value>([...event.attributes, ["data", event.data]]);
  return spacedJson(new Map<string, Value>([["unit", unit], ["event", whole]]));
}

/** A time later than every waiting file's, even if the clock was set back. */
function nextTimestamp(waiting: readonly string[]): bigint {
  const newest = BigInt(basename(waiting.at(-1) ?? "0").slice(0, TIME_DIGITS));
  const now = BigInt(Date.now()) * NS_PER_MS;
  return now > newest ? now : newest + 1n;
}

/** The first waiting file of each event that has one; another process may remove files at any moment. */
async function findWaiting(waiting: readonly string[], events: readonly CheckedEvent[]): Promise<Map<string, EventFile>> {
  const ids = new Set(events.map((event) => event.eventId));
  const found = new Map<string, EventFile>();
  for (const path of waiting) {
    const id = basename(path, ".json").slice(TIME_DIGITS + 1);
    if (!ids.has(id) || found.has(id)) continue;
    const body = await readFile(path, "utf8").catch(unlessMissing);
    if (body !== undefined) found.set(id, { path, body });
  }
  return found;
}

/** Write files, begun in *begunIn* under other names. Where the disk refuses one, all are removed. */
async function writeDurably(files: readonly EventFile[], begunIn: string): Promise<void> {
  const halfOf = (path: string) => join(begunIn, `${basename(path, ".json")}.tmp`);
  const paths = files.map(({ path }) => path);
  try {
    for (const { path, body } of files) await writeSynced(halfOf(path), body);
    for (const path of paths) await rename(halfOf(path), path);
    for (const folder of new Set(paths.map(dirname))) await syncFolder(folder);
  } catch (error) {
    for (const path of [...paths, ...paths.map(halfOf)]) await unlink(path).catch(unlessMissing);
    throw error;
  }
}

async function writeSynced(path: string, body: string): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function makeFolder(folder: string): Promise<void> {
  if (await stat(folder).catch(unlessMissing)) return;
  await makeFolder(dirname(folder));
  await mkdir(folder, { mode: 0o700, recursive: true });
  await syncFolder(dirname(folder));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(unlessMissing)) ?? [];
}

function reasonFile(path: string): string {
  return path.replace(/\.json$/, ".txt");
}

function unlessMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
