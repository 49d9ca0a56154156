import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import fs, { chmod, mkdtemp, readdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { ContractError, HttpPublisher } from "../dist/index.js";
import { takeLock } from "../dist/fileLock.js";
import { Denied, Publisher } from "../dist/publisher.js";
import { insist } from "../dist/retry.js";
import { Spool } from "../dist/spool.js";

const UNIT = "van-phong-bo";
const ACCEPTED = { event_id: "a".repeat(26), content_id: "tin", revision: 1, status_url: "/v1/events/a" };
const TRY_AGAIN = { errors: [{ field: "event", message: "try again", message_vi: "thử lại" }] };

const event = (id = "tin.1", data = {}) => ({
  specversion: "1.0",
  type: "vn.gov.moha.content.submitted.v1",
  source: `/units/${UNIT}`,
  id,
  data: { content_id: "tin", revision: 1, topic: "chuyen-doi-so", title: "Tin", body: "Nội dung", ...data },
});

/** A door that gives each of some answers once, and the last one for ever. */
async function doorWith(t, ...answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    requests.push({ headers: request.headers, body: Buffer.concat(parts).toString(), url: request.url });
    const { status, body = {}, headers = {}, after } = answers.length > 1 ? answers.shift() : answers[0];
    await after?.();
    if (status === 0) return request.socket.destroy();
    const type = status < 300 ? "application/json" : "application/problem+json";
    response.writeHead(status, { "Content-Type": type, ...headers }).end(JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  return { url: `http://127.0.0.1:${server.address().port}`, requests };
}

const publisherAt = (url, more = {}) => new HttpPublisher({ url, key: "loa_key", unit: UNIT, patienceS: 60, ...more });
const newFolder = () => mkdtemp(join(tmpdir(), "loa-"));
const refusedWith = (code) => (error) => error instanceof ContractError && error.code === code;

test("the same event is sent again after 503, 429, 500 and a broken connection", async (t) => {
  const again = { status: 503, body: TRY_AGAIN, headers: { "Retry-After": "0" } };
  const door = await doorWith(t, again, { ...again, status: 429 }, { status: 500 }, { status: 0 }, { status: 202, body: ACCEPTED });
  const answer = await publisherAt(door.url).publish(event());
  assert.equal(answer.outcome, "accepted");
  assert.equal(door.requests.length, 5);
  assert.equal(new Set(door.requests.map((one) => one.body)).size, 1);
  assert.equal(door.requests[0].headers.authorization, "Bearer loa_key");
  assert.equal(door.requests[0].headers["content-type"], "application/cloudevents+json");
});

test("a refusal is final and keeps nothing", async (t) => {
  const folder = await newFolder();
  const door = await doorWith(t, { status: 409, body: TRY_AGAIN });
  await assert.rejects(publisherAt(door.url, { spool: folder }).publish(event()), refusedWith("conflict"));
  assert.equal(door.requests.length, 1);
  assert.deepEqual((await readdir(folder)).filter((name) => name.endsWith(".json")), []);
});

test("an event that breaks the contract is never sent", async (t) => {
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  await assert.rejects(publisherAt(door.url).publish(event("x", { title: "" })), refusedWith("invalid"));
  assert.equal(door.requests.length, 0);
});

test("a longer wait than the patience ends the tries: kept with a spool, thrown without", async (t) => {
  const door = await doorWith(t, { status: 503, body: TRY_AGAIN, headers: { "Retry-After": "3600" } });
  await assert.rejects(publisherAt(door.url).publish(event()), (error) => error.retryAfterS === 3600);
  const spooled = await publisherAt(door.url, { spool: await newFolder() }).publish(event());
  assert.equal(spooled.outcome, "spooled");
  assert.equal(door.requests.length, 2);
});

test("a redirect, and an answer that is not Loa's, count as absence and get no key", async (t) => {
  const other = await doorWith(t, { status: 202, body: ACCEPTED });
  const answers = [{ status: 307, headers: { Location: other.url } }, { status: 404, headers: { "Content-Type": "text/html" } }];
  for (const answer of answers) {
    const door = await doorWith(t, answer);
    const publisher = publisherAt(door.url, { spool: await newFolder(), patienceS: 0 });
    assert.equal((await publisher.publish(event())).outcome, "spooled");
    assert.equal(publisher.refusal.code, "unavailable");
  }
  assert.equal(other.requests.length, 0);
});

test("a refused key keeps events, and refusal says so until one is sent", async (t) => {
  const folder = await newFolder();
  const door = await doorWith(t, { status: 401, body: TRY_AGAIN }, { status: 202, body: ACCEPTED });
  const publisher = publisherAt(door.url, { spool: folder });
  assert.equal((await publisher.publish(event())).outcome, "spooled");
  assert.equal(publisher.refusal.code, "unauthorized");
  const drained = await publisher.drain();
  assert.deepEqual([drained.accepted.length, drained.left, publisher.refusal], [1, 0, null]);
});

test("waiting events go first, in their order, and a refused one does not stop the others", async (t) => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  for (const id of ["1", "2", "3"]) assert.equal((await away.publish(event(id))).outcome, "spooled");
  const door = await doorWith(t, { status: 202, body: ACCEPTED }, { status: 422, body: TRY_AGAIN }, { status: 202, body: ACCEPTED });
  const answer = await publisherAt(door.url, { spool: folder }).publish(event("4"));
  assert.equal(answer.outcome, "accepted");
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["1", "2", "3", "4"]);
  const refused = await readdir(join(folder, "refused"));
  assert.deepEqual(refused.map((name) => name.replace(/.*\./, "")).sort(), ["json", "txt"]);
});

test("a patience that leaves a part of a millisecond loses no event, nor does one that is no number", async (t) => {
  const folder = await newFolder();
  for (const patienceS of [1.1, NaN]) {
    const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS });
    assert.equal((await away.publish(event(`${patienceS}`))).outcome, "spooled");
  }
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  const publisher = publisherAt(door.url, { spool: folder, patienceS: 5 });
  assert.equal((await publisher.drain()).accepted.length, 2);
  assert.equal((await publisher.publish(event("3"))).outcome, "accepted");
});

test("the time that is left is one that every timer takes", async () => {
  const ask = async (leftMs) => leftMs;
  assert.equal(await insist(Infinity, ask), 2 ** 31 - 1);
  assert.equal(await insist(-Infinity, ask), 1);
  assert.ok(Number.isInteger(await insist(performance.now() + 60_000.5, ask)));
});

test("a kept event is warned of, an accepted one by the door", async (t) => {
  const doubtful = event("doubtful", { title: "Th&ocirc;ng" });
  const away = publisherAt("http://127.0.0.1:1", { spool: await newFolder(), patienceS: 0 });
  assert.deepEqual((await away.publish(doubtful)).warnings.map((one) => [one.field, one.code]), [["data.title", "html_entity"]]);
  const warning = { field: "data.title", message: "m", message_vi: "v", code: "c" };
  const door = await doorWith(t, { status: 202, body: { ...ACCEPTED, warnings: [warning] } });
  assert.deepEqual((await publisherAt(door.url).publish(doubtful)).warnings, [warning]);
});

test("an event waits once, another content under its id is refused", async () => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  const [first, second] = [await away.publish(event()), await away.publish(event())];
  assert.equal(first.path, second.path);
  await assert.rejects(away.publish(event("tin.1", { title: "Khác" })), refusedWith("conflict"));
});

test("during an outage all events are kept after the patience of one", async (t) => {
  const folder = await newFolder();
  const door = await doorWith(t, { status: 503, body: TRY_AGAIN, headers: { "Retry-After": "3600" } });
  const publisher = publisherAt(door.url, { spool: folder });
  const answers = await Promise.all(["1", "2", "3", "4"].map((id) => publisher.publish(event(id))));
  assert.deepEqual(answers.map((one) => one.outcome), Array(4).fill("spooled"));
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["1"]);
  assert.equal((await publisher.drain()).left, 4);
});

test("older events are sent until the patience is used up, and the new one is kept", async (t) => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  for (const id of ["1", "2", "3"]) await away.publish(event(id));
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  const answer = await publisherAt(door.url, { spool: folder, patienceS: 0 }).publish(event("4"));
  assert.equal(answer.outcome, "spooled");
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["1"]);
});

test("a waiting file that another process has sent and removed is no failure", async (t) => {
  const folder = await newFolder();
  await symlink("removed", join(folder, `${"0".repeat(20)}-${"a".repeat(26)}.json`)); // listed, but not there
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  assert.equal((await publisherAt(door.url, { spool: folder }).publish(event())).outcome, "accepted");
});

test("Loa may be under a path, and a trial is told", async (t) => {
  const door = await doorWith(t, { status: 202, body: { ...ACCEPTED, trial: true } });
  const answer = await publisherAt(`${door.url}/loa/`).publish(event());
  assert.deepEqual([door.requests[0].url, answer.trial], ["/loa/v1/events", true]);
});

test("an address and a key of no use are named at once", () => {
  const fieldsOf = (error) => refusedWith("invalid")(error) && error.errors.map((one) => one.field).join();
  const wrong = [["file:///etc/passwd", "k", "url"], ["https://", "k", "url"], ["https://loa.example", "a\nb", "key"], ["", "", "url,key"]];
  for (const [url, key, fields] of wrong) {
    assert.throws(() => new HttpPublisher({ url, key, unit: UNIT }), (error) => fieldsOf(error) === fields);
  }
});

test("a waiting file that names no unit is set aside", async (t) => {
  const folder = await newFolder();
  await writeFile(join(folder, `${"0".repeat(20)}-${"a".repeat(26)}.json`), JSON.stringify({ event: event() }));
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  assert.equal((await publisherAt(door.url, { spool: folder }).publish(event("new"))).outcome, "accepted");
  assert.equal((await readdir(join(folder, "refused"))).length, 2);
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["new"]);
});

test("a wait is never shorter than a fifth of a second", async (t) => {
  const door = await doorWith(t, { status: 503, body: TRY_AGAIN, headers: { "Retry-After": "0" } });
  await assert.rejects(publisherAt(door.url, { patienceS: 1 }).publish(event()), refusedWith("unavailable"));
  assert.ok(door.requests.length <= 6, door.requests.length);
});

test("a date as Retry-After is no number of seconds", async (t) => {
  const headers = { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" };
  const door = await doorWith(t, { status: 429, body: TRY_AGAIN, headers });
  await assert.rejects(publisherAt(door.url, { patienceS: 1 }).publish(event()), (error) => error.retryAfterS === 5);
  assert.equal(door.requests.length, 1);
});

test("publish does not wait for a drain under way, which sends the new event, too", async (t) => {
  const folder = await newFolder();
  await publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 }).publish(event("1"));
  const answers = [];
  const accepted = { status: 202, body: ACCEPTED };
  const door = await doorWith(t, { ...accepted, after: async () => answers.push(await publisher.publish(event("2"))) }, accepted);
  const publisher = publisherAt(door.url, { spool: folder });
  const drained = await publisher.drain();
  assert.deepEqual(answers.map((one) => one.outcome), ["spooled"]);
  assert.deepEqual([drained.accepted.length, drained.left], [2, 0]);
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["1", "2"]);
});

/** Lets something else be done in place of a method of every spool, for one test. */
function inPlaceOf(t, method, other) {
  const own = Spool.prototype[method];
  Spool.prototype[method] = other(own);
  t.after(() => (Spool.prototype[method] = own));
}

test("a drain sends what is kept after it has looked for the last time, before its lock is back", async (t) => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  await away.publish(event("1"));
  const late = [event("2")];
  inPlaceOf(t, "draining", (draining) => async function (send) {
    return await draining.call(this, async () => {
      const done = await send();
      if (late.length) await away.publish(late.pop());
      return done;
    });
  });
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  const drained = await publisherAt(door.url, { spool: folder }).drain();
  assert.deepEqual([drained.accepted.length, drained.left], [2, 0]);
});

test("an event that is kept after another drain has ended is sent", async (t) => {
  const folder = await newFolder();
  await publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 }).publish(event("1"));
  const elsewhere = await takeLock(join(folder, "drain.lock"), { waits: false });
  inPlaceOf(t, "append", (append) => async function (one) {
    await elsewhere.close();
    return await append.call(this, one);
  });
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  const answer = await publisherAt(door.url, { spool: folder }).publish(event("2"));
  assert.equal(answer.outcome, "spooled");
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["1", "2"]);
});

test("a batch is one request, and a wrong event in it is named by its place", async (t) => {
  const door = await doorWith(t, { status: 202, body: { events: [ACCEPTED, { ...ACCEPTED, revision: 2 }] } });
  const publisher = publisherAt(door.url);
  const answers = await publisher.publishBatch([event("1"), JSON.stringify(event("2", { revision: 2 }))]);
  assert.deepEqual(answers.map((one) => [one.outcome, one.revision]), [["accepted", 1], ["accepted", 2]]);
  assert.equal(door.requests[0].headers["content-type"], "application/cloudevents-batch+json");
  assert.deepEqual(JSON.parse(door.requests[0].body).map((one) => one.id), ["1", "2"]);
  const wrong = [event("1"), event("2", { title: "" }), "{", { ...event("3"), type: undefined }];
  await assert.rejects(publisher.publishBatch(wrong), (error) => {
    assert.deepEqual(error.errors.map((one) => one.field.replace(/line.*/, "")), ["[1].data.title", "[2]", "[3].type"]);
    return error.code === "invalid";
  });
  assert.equal(door.requests.length, 1);
});

test("a batch is kept in its order while Loa is away, and goes before the next one", async (t) => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  const kept = await away.publishBatch(["1", "2"].map((id) => event(id)));
  assert.deepEqual(kept.map((one) => one.outcome), ["spooled", "spooled"]);
  const accepted = { status: 202, body: ACCEPTED };
  const door = await doorWith(t, accepted, accepted, { status: 202, body: { events: [ACCEPTED] } });
  await publisherAt(door.url, { spool: folder }).publishBatch([event("3")]);
  assert.deepEqual(door.requests.map((one) => [].concat(JSON.parse(one.body))[0].id), ["1", "2", "3"]);
});

test("a batch is kept wholly or not at all, and its length is judged before", async () => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  const names = async () => (await readdir(folder)).filter((name) => name.endsWith(".json"));
  const [{ path }] = await away.publishBatch([event("1")]);
  const twice = [event("1"), event("2"), event("3"), event("2", { title: "Khác" })];
  const named = (error) => refusedWith("conflict")(error) && error.errors.map((one) => one.field).join() === "[3].id";
  await assert.rejects(away.publishBatch(twice), named);
  assert.deepEqual(await names(), [basename(path)]);
  await assert.rejects(away.publishBatch([]), refusedWith("invalid"));
  await assert.rejects(away.publishBatch(Array(101).fill(event("2"))), refusedWith("too_large"));
  const kept = await away.publishBatch([event("3"), event("2"), event("1"), event("3")]);
  assert.deepEqual(kept.map((one) => basename(one.path)), [...(await names()).slice(1), basename(path), basename(kept[0].path)]);
});

test("what is published right behind a batch goes behind it, and close waits for the batch", async (t) => {
  const batch = { status: 202, body: { events: [ACCEPTED, ACCEPTED] } };
  const door = await doorWith(t, batch, { status: 202, body: ACCEPTED }, batch);
  const publisher = publisherAt(door.url);
  await Promise.all([publisher.publishBatch([event("1"), event("2")]), publisher.publish(event("3"))]);
  const last = publisher.publishBatch([event("4"), event("5")]);
  await publisher.close();
  assert.deepEqual(door.requests.map((one) => [].concat(JSON.parse(one.body)).map(({ id }) => id).join()), ["1,2", "3", "4,5"]);
  await last;
});

/** Lets something else be done first in place of a function of the file system, for one test. */
function beforeEach(t, name, first) {
  const own = fs[name];
  fs[name] = async (...given) => {
    await first(...given);
    return await own(...given);
  };
  syncBuiltinESMExports();
  const restore = () => {
    fs[name] = own;
    syncBuiltinESMExports();
  };
  t.after(restore);
  return restore;
}

test("a drain beside a batch that is not kept finds none of it, and nothing is left of it", async (t) => {
  const twice = [event("1"), event("2"), event("2", { title: "Khác" })];
  const fits = ["1", "2", "3"].map((id) => event(id));
  for (const [refuses, batch, code] of [[null, twice, "conflict"], ["open", fits, "unavailable"], ["rename", fits, "unavailable"]]) {
    const [folder, door] = [await newFolder(), await doorWith(t, { status: 202, body: ACCEPTED })];
    let halves = 0;
    const restore = beforeEach(t, refuses ?? "open", async (path) => {
      if (!path.endsWith(".tmp")) return;
      if (refuses !== "rename") await publisherAt(door.url, { spool: folder }).drain();
      if (refuses && ++halves === 3) throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    });
    await assert.rejects(publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 }).publishBatch(batch), refusedWith(code));
    restore();
    assert.deepEqual([door.requests.length, (await readdir(folder)).filter((name) => !name.endsWith(".lock"))], [0, []], refuses);
  }
});

test("a dry run asks its own address, and is repeated and refused as an event is", async (t) => {
  const outlook = { dry_run: true, events: [{ revision: 1 }], quota: {} };
  const again = { status: 503, body: TRY_AGAIN, headers: { "Retry-After": "0" } };
  const door = await doorWith(t, again, { status: 200, body: outlook }, { status: 422, body: TRY_AGAIN });
  const publisher = publisherAt(door.url, { spool: await newFolder() });
  assert.deepEqual(await publisher.dryRun(event()), outlook);
  await assert.rejects(publisher.dryRun(event()), refusedWith("invalid"));
  assert.deepEqual(door.requests.map((one) => one.url), Array(3).fill("/v1/dry-runs"));
});

test("what a key for trials keeps never goes out in earnest, nor the other way round", async (t) => {
  const keys = ["loa", "loatrial"].map((kind) => `${kind}_${UNIT}_${"0".repeat(64)}`);
  for (const [keeper, sender] of [keys, [...keys].reverse()]) {
    const spool = await newFolder();
    await publisherAt("http://127.0.0.1:1", { key: keeper, spool, patienceS: 0 }).publish(event("kept"));
    const door = await doorWith(t, { status: 202, body: ACCEPTED });
    const other = publisherAt(door.url, { key: sender, spool });
    assert.equal((await other.drain()).left, 0);
    assert.equal((await other.publish(event("new"))).outcome, "accepted");
    assert.equal((await publisherAt(door.url, { key: ` ${keeper}\n`, spool }).drain()).left, 0);
    assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["new", "kept"]);
  }
});

test("an answer that is not Loa's is no acceptance: the event waits", async (t) => {
  const accepted = { status: 202, body: ACCEPTED };
  const others = [{ status: 200 }, { status: 202, body: null }, { status: 201, body: ACCEPTED }, { status: 200, body: { event_id: 1 } }];
  for (const other of others) {
    const door = await doorWith(t, other);
    const publisher = publisherAt(door.url, { spool: await newFolder(), patienceS: 0 });
    assert.equal((await publisher.publish(event())).outcome, "spooled");
    assert.equal((await publisher.drain()).left, 1);
    await assert.rejects(publisher.status("a".repeat(26)), refusedWith("unavailable"));
    await assert.rejects(publisher.dryRun(event()), refusedWith("unavailable"));
  }
  for (const body of [{}, { events: [ACCEPTED] }, { events: [ACCEPTED, {}] }, ACCEPTED]) {
    const door = await doorWith(t, { status: 200, body }, accepted);
    const publisher = publisherAt(door.url, { spool: await newFolder(), patienceS: 0 });
    const answers = await publisher.publishBatch([event("1"), event("2")]);
    assert.deepEqual(answers.map((one) => one.outcome), ["spooled", "spooled"]);
  }
});

test("a kept event with a word that the client does not know is left to the door", async (t) => {
  const folder = await newFolder();
  const kept = { unit: UNIT, event: event("kept", { topic: "word-of-the-operator" }) };
  await writeFile(join(folder, `${"0".repeat(20)}-${"a".repeat(26)}.json`), JSON.stringify(kept));
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  const { accepted, refused } = await publisherAt(door.url, { spool: folder }).drain();
  assert.deepEqual([accepted.length, refused.length], [1, 0]);
  assert.equal(JSON.parse(door.requests[0].body).data.topic, "word-of-the-operator");
});

test("close waits for the first of two drains", async (t) => {
  const folder = await newFolder();
  await publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 }).publish(event());
  const kept = () => readdirSync(folder).filter((name) => name.endsWith(".json"));
  let closed;
  const closing = async () => {
    await publisher.drain(); // ends at once: the first has the lock
    closed = publisher.close().then(kept);
  };
  const door = await doorWith(t, { status: 202, body: ACCEPTED, after: closing });
  const publisher = publisherAt(door.url, { spool: folder });
  assert.equal((await publisher.drain()).accepted.length, 1);
  assert.deepEqual(await closed, []);
});

test("close ends a drain after the event that is being sent", async (t) => {
  const folder = await newFolder();
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  for (const id of ["1", "2"]) await away.publish(event(id));
  const closed = [];
  const door = await doorWith(t, { status: 202, body: ACCEPTED, after: async () => closed.push(publisher.close()) });
  const publisher = publisherAt(door.url, { spool: folder });
  const drained = await publisher.drain();
  await Promise.all(closed);
  assert.deepEqual([drained.accepted.length, drained.left, door.requests.length], [1, 1, 1]);
  assert.equal((await publisher.drain()).left, 0);
});

test("a folder that can't be locked is named, with the program's code", async (t) => {
  const [folder, programs] = [await newFolder(), await newFolder()];
  const away = publisherAt("http://127.0.0.1:1", { spool: folder, patienceS: 0 });
  await away.publish(event());
  await writeFile(join(programs, "flock"), "#!/bin/sh\nexit 66\n");
  await chmod(join(programs, "flock"), 0o755);
  const { PATH } = process.env;
  t.after(() => Object.assign(process.env, { PATH }));
  process.env.PATH = programs;
  const named = (error) => refusedWith("unavailable")(error) && error.errors[0].field === "spool" && /66/.test(error.message);
  await assert.rejects(away.drain(), named);
});

test("a denied event stays denied where its copy can't be kept", async () => {
  const folder = await newFolder();
  await writeFile(join(folder, "refused"), "no folder");
  const denied = { field: "nkeyFile", message: "may not", message_vi: "không được" };
  const door = { types: new Set(["vn.gov.moha.content.submitted.v1"]), send: async () => { throw new Denied(denied); } };
  const publisher = new Publisher(door, { unit: UNIT, spool: folder });
  await assert.rejects(publisher.publish(event()), (error) => refusedWith("forbidden")(error) && error.cause.code === "ENOTDIR");
});

test("a system without locks is named where events would be kept", async (t) => {
  const away = publisherAt("http://127.0.0.1:1", { spool: await newFolder(), patienceS: 0 });
  const { PATH } = process.env;
  t.after(() => Object.assign(process.env, { PATH }));
  process.env.PATH = "";
  const isAboutFlock = (error) => error.errors[0].field === "spool" && /flock/.test(error.errors[0].message_vi);
  await assert.rejects(away.publish(event()), (error) => error.code === "unavailable" && isAboutFlock(error));
  const platform = Object.getOwnPropertyDescriptor(process, "platform");
  t.after(() => Object.defineProperty(process, "platform", platform));
  Object.defineProperty(process, "platform", { value: "win32" });
  assert.throws(() => publisherAt("http://127.0.0.1:1", { spool: "spool" }), (error) => error.code === "invalid" && isAboutFlock(error));
  assert.ok(publisherAt("http://127.0.0.1:1"));
});

test("another unit's events wait for its own publisher", async (t) => {
  const folder = await newFolder();
  const other = { url: "http://127.0.0.1:1", key: "k", unit: "vu-phap-che", spool: folder, patienceS: 0 };
  await new HttpPublisher(other).publish({ ...event("other"), source: "/units/vu-phap-che" });
  const door = await doorWith(t, { status: 202, body: ACCEPTED });
  assert.equal((await publisherAt(door.url, { spool: folder }).publish(event())).outcome, "accepted");
  assert.deepEqual(door.requests.map((one) => JSON.parse(one.body).id), ["tin.1"]);
  assert.equal((await new HttpPublisher(other).drain()).left, 1);
});
