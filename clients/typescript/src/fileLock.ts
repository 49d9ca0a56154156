/** Locks on files between processes, those of flock(2): Loa's Python client takes the same. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, type FileHandle } from "node:fs/promises";

const BUSY = 1;

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

/** Whether the lock was free. Throws if flock(1) is missing or fails. */
async function flock(descriptor: number, options: readonly string[]): Promise<boolean> {
  const child = spawn("flock", ["-x", ...options, "3"], { stdio: ["ignore", "ignore", "ignore", descriptor] });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0 && code !== BUSY) throw new Error(`flock ended with ${code}`);
  return code === 0;
}
