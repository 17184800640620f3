// Services that verify tokens with jose, by a clock that the test moves: node jose_at.mjs JWKS-URI MAX-AGE...
// Each MAX-AGE (milliseconds) is a service with a copy of the JWKS of its own. An unknown kid never makes one fetch:
// what they verify with is what they had.
import { createRemoteJWKSet, jwtVerify } from "jose";
import { answer } from "./lines.mjs";

const [uri, ...ages] = process.argv.slice(2);
let now = 0;
Date.now = () => now;
const services = ages.map((age) =>
  createRemoteJWKSet(new URL(uri), { cacheMaxAge: Number(age), cooldownDuration: Number.MAX_SAFE_INTEGER }),
);

await answer({
  async verify({ service, at, tokens, ...rules }) {
    now = at;
    for (const token of tokens) await jwtVerify(token, services[service], { ...rules, currentDate: new Date(at) });
    return tokens.length;
  },
});
