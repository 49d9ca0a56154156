// A publisher that is driven by lines of JSON: `{"do": "publish", "event": ...}`; each answer is a line.
//
//     node drive.mjs CLIENT OPTIONS < orders

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [client, options] = process.argv.slice(2);
const { HttpPublisher, NatsPublisher, ContractError } = await import(pathToFileURL(client));
const given = JSON.parse(options);
const publisher = given.key === undefined ? new NatsPublisher(given) : new HttpPublisher(given);

const WAYS = {
  publish: ({ event }) => publisher.publish(event),
  publishBatch: ({ events }) => publisher.publishBatch(events),
  dryRun: ({ event }) => publisher.dryRun(event),
  drain: () => publisher.drain(),
  status: ({ event_id }) => publisher.status(event_id),
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  console.log(JSON.stringify(await answerTo(order)));
}
await publisher.close();

async function answerTo(order) {
  try {
    const answer = await WAYS[order.do](order);
    return { ...answer, refusal: publisher.refusal?.code ?? null };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    return { code: error.code, status: error.status, errors: error.errors };
  }
}
