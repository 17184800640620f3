// A service that verifies tokens with jsonwebtoken, its keys from jwks-rsa: node jwks_rsa.mjs ISSUER
import { promisify } from "node:util";
import jsonwebtoken from "jsonwebtoken";
import { JwksClient } from "jwks-rsa";
import { answer } from "./lines.mjs";

const [issuer] = process.argv.slice(2);
const client = new JwksClient({ jwksUri: `${issuer}/.well-known/jwks.json`, rateLimit: true });
const verify = promisify(jsonwebtoken.verify);

function findKey(header, callback) {
  client.getSigningKey(header.kid, (error, key) => callback(error, key?.getPublicKey()));
}

await answer({
  verify({ token, audience, algorithm }) {
    return verify(token, findKey, { algorithms: [algorithm], issuer, audience });
  },
});
