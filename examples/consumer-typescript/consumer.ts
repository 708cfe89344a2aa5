// A reader of a named consumer, with nothing but Node's own fetch (node 18 or newer).
//
// Reads, processes, commits, and again. Start it several times: the readers share the topic's partitions. Kill one: the others
// take over what it had not committed. SIGTERM and Ctrl-C end it between two events, and it leaves, so that others need not wait.
//
//     npm install && npx tsc
//     node consumer.js --url http://127.0.0.1:8080 --consumer billing --topic flights

import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";

/** The server answers a read after at most this long when there is nothing. */
const WAIT_SECONDS = 20;
/** Longer than that, so that only a server that is gone is given up. */
const ANSWER_MS_MAX = 60_000;
/** Between attempts while the server cannot be reached; doubled up to the second one. */
const PAUSE_MS: [number, number] = [200, 5_000];

/** An event in CloudEvents' structured form, with its position. */
interface ReceivedEvent {
  id: string;
  source: string;
  type: string;
  rrposition: string;
  data?: unknown;
}

/** What a read answers. */
interface Page {
  reader: string;
  session: number;
  partitions: string[];
  cursor: string | null;
  events: ReceivedEvent[];
}

interface Options {
  url: string;
  consumer: string;
  topic: string;
  reader: string;
  session: string;
  limit: string;
  token: string | undefined;
}

/** The server answered with a problem document (RFC 9457). */
class Refused extends Error {
  constructor(readonly status: number, readonly code: string | undefined, detail: string) {
    super(`${code ?? status}: ${detail}`);
  }

  /** Whether the same request may succeed later. */
  isPassing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** One reader of a consumer. */
class Reader {
  private readonly base: string;

  constructor(private readonly options: Options, private readonly stopping: AbortSignal) {
    this.base = `${options.url.replace(/\/$/, "")}/consumers/${encodeURIComponent(options.consumer)}`;
  }

  /** The next events and the cursor that commits them; no events when nothing came. Ends when the program is to stop. */
  async read(): Promise<Page> {
    const { topic, reader, session, limit } = this.options;
    const query = new URLSearchParams({ topic, reader, session, limit, wait: String(WAIT_SECONDS) });
    const answer = await this.ask("GET", `/events?${query}`, undefined, this.stopping);
    return (await answer.json()) as Page;
  }

  /** Makes the position behind the events durable. Doing it twice does no harm. */
  async commit(cursor: string): Promise<void> {
    await this.ask("POST", "/commit", { cursor });
  }

  /** Gives the partitions to other readers at once. */
  async leave(): Promise<void> {
    await this.ask("DELETE", `/readers/${encodeURIComponent(this.options.reader)}`);
  }

  private async ask(method: string, path: string, body?: unknown, stopping?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", "content-type": "application/json" };
    if (this.options.token !== undefined) {
      headers["authorization"] = `Bearer ${this.options.token}`;
    }
    const giveUp = new AbortController();
    const end = (): void => giveUp.abort();
    const timer = setTimeout(end, ANSWER_MS_MAX);
    stopping?.addEventListener("abort", end);
    try {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const answer = await fetch(this.base + path, { method, headers, body: text, signal: giveUp.signal });
      // Read whole here, so that an answer that breaks off is an error of this request.
      const content = await answer.text();
      if (!answer.ok) {
        throw refusal(answer.status, content);
      }
      return new Response(answer.status === 204 ? null : content, { status: answer.status });
    } finally {
      clearTimeout(timer);
      stopping?.removeEventListener("abort", end);
    }
  }
}

function refusal(status: number, content: string): Refused {
  try {
    const problem = JSON.parse(content) as { code?: string; detail?: string };
    return new Refused(status, problem.code, problem.detail ?? "no detail");
  } catch {
    return new Refused(status, undefined, content.slice(0, 200));
  }
}

/** Your work. It may see an event again after a failure: what it does must bear that. */
async function handle(event: ReceivedEvent): Promise<void> {
  console.log(`processed ${event.rrposition} ${event.id}`);
}

async function run(reader: Reader, stopping: AbortSignal): Promise<void> {
  let pause = PAUSE_MS[0];
  while (!stopping.aborted) {
    try {
      const { events, cursor } = await reader.read();
      for (const event of events) {
        await handle(event);
      }
      // After the events, and before the next read: a rebalance then repeats nothing.
      if (cursor !== null && events.length > 0) {
        await reader.commit(cursor);
        console.log(`committed ${cursor}`);
      }
      pause = PAUSE_MS[0];
    } catch (error) {
      if (stopping.aborted) {
        return;
      }
      if (error instanceof Refused && error.status === 409) {
        // Another reader has the partitions by now, or the server was restarted. What is not committed comes again.
        continue;
      }
      if (error instanceof Refused && !error.isPassing()) {
        throw error;
      }
      console.error(`trying again in ${pause} ms: ${reason(error)}`);
      await sleep(pause, stopping);
      pause = Math.min(pause * 2, PAUSE_MS[1]);
    }
  }
}

/** What happened; fetch says only that it failed, and keeps why as the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  return error.cause === undefined ? error.message : `${error.message}: ${reason(error.cause)}`;
}

/** Waits, or not any longer when the program is to stop. */
function sleep(ms: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stopping.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function options(): Options {
  const { values } = parseArgs({
    options: {
      url: { type: "string", default: process.env["RIVERRUN_URL"] ?? "http://127.0.0.1:8080" },
      consumer: { type: "string" },
      topic: { type: "string" },
      reader: { type: "string", default: `typescript-${randomUUID().slice(0, 13)}` },
      session: { type: "string", default: "30" },
      limit: { type: "string", default: "500" },
    },
  });
  const { url, consumer, topic, reader, session, limit } = values;
  if (!url || !consumer || !topic || !reader || !session || !limit) {
    throw new Error("say --consumer NAME and --topic TOPIC (one or several: orders,payments)");
  }
  return { url, consumer, topic, reader, session, limit, token: process.env["RIVERRUN_TOKEN"] };
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => stop.abort());
  }
  const reader = new Reader(options(), stop.signal);
  await run(reader, stop.signal);
  await reader.leave().catch((error: unknown) => console.error(`left without saying so: ${reason(error)}`));
}

main().catch((error: unknown) => {
  console.error(`error: ${reason(error)}`);
  process.exit(1);
});
