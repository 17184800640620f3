// A service that verifies tokens with jose, as the README shows it: node jose.mjs ISSUER
import { createRemoteJWKSet, jwtVerify } from "jose";
import { answer } from "./lines.mjs";

const [issuer] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));

await answer({
  async verify({ token, audience, algorithm, typ }) {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: [algorithm],
      issuer,
      audience,
      typ,
      requiredClaims: ["sub", "iat", "exp"],
    });
    return payload;
  },
});
