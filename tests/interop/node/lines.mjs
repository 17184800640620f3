// One question a line of standard input, one answer a line of standard output, both JSON: so a test can ask a
// client that keeps running, with what it remembers, as often as it likes.
import { createInterface } from "node:readline";

export async function answer(questions) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { ask, ...about } = JSON.parse(line);
    let said;
    try {
      said = { answer: (await questions[ask](about)) ?? null };
    } catch (error) {
      said = { error: [error.name, error.message, JSON.stringify(error.cause)].join(": ") };
    }
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
}
