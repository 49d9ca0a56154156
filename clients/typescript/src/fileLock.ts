/** Locks on files between processes, those of flock(2): Loa's Python client takes the same. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, type FileHandle } from "node:fs/promises";
import { ContractError, localized, type ErrorCode } from "./errors.js";

const BUSY = 1;
const NO_LOCKS = {
  en: "events can't be kept here: that needs the program flock (Linux: util-linux). Without a spool they are only sent",
  vi: "máy này không giữ được sự kiện: cần có chương trình flock (Linux: util-linux). Nếu không dùng spool thì sự kiện chỉ được gửi, không được giữ lại",
};

/** Whether this system can have a spool at all: Windows has no flock(1). Throws ContractError, `invalid`. */
export function requireLocks(): void {
  if (process.platform === "win32") throw noLocks("invalid");
}

/**
 * The lock on a file, which this process has until the handle is closed or the process ends.
 *
 * null if another process has it and the call is not to wait. The lock is taken by flock(1), whose
 * descriptor is this process's own: Node.js has no call for it.
 */
export async function takeLock(path: string, { waits }: { waits: boolean }): Promise<FileHandle | null> {
  const file = await open(path, "w");
  try {
    if (await flock(file.fd, waits ? [] : ["-n"])) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return null;
}

/** Whether the lock was free. Throws ContractError, `unavailable`, if flock(1) is missing. */
async function flock(descriptor: number, options: readonly string[]): Promise<boolean> {
  const child = spawn("flock", ["-x", ...options, "3"], { stdio: ["ignore", "ignore", "ignore", descriptor] });
  const [code] = (await once(child, "close").catch(failedToStart)) as [number | null];
  if (code !== 0 && code !== BUSY) throw new Error(`flock ended with ${code}`);
  return code === 0;
}

function failedToStart(error: unknown): never {
  throw isMissing(error) ? noLocks("unavailable") : error;
}

function noLocks(code: ErrorCode): ContractError {
  return new ContractError(code, [localized("spool", NO_LOCKS, {})]);
}

/** Whether an error of the system says that a file, folder or program is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
