// A web application that signs people in with openid-client:
// node openid_client.mjs ISSUER CLIENT_ID CLIENT_SECRET CALLBACK SIGNED_OUT
import * as client from "openid-client";
import { answer } from "./lines.mjs";

const [issuer, clientId, clientSecret, callback, signedOut] = process.argv.slice(2);
const scope = "openid email offline_access";
const config = await client.discovery(new URL(issuer), clientId, clientSecret, client.ClientSecretBasic(clientSecret), {
  // plain HTTP on this machine; and every ID token's signature is verified, though it comes straight from /token
  execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
});
let checks;
let subject;

function held(tokens) {
  return { ...tokens, claims: tokens.claims() };
}

await answer({
  async begin() {
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    checks = { pkceCodeVerifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
    return client.buildAuthorizationUrl(config, {
      redirect_uri: callback,
      scope,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: checks.expectedState,
      nonce: checks.expectedNonce,
    }).href;
  },
  async callback({ url }) {
    const tokens = await client.authorizationCodeGrant(config, new URL(url), { ...checks, idTokenExpected: true });
    subject = tokens.claims().sub;
    return held(tokens);
  },
  async refresh({ refreshToken }) {
    return held(await client.refreshTokenGrant(config, refreshToken, { scope }));
  },
  userinfo: ({ accessToken }) => client.fetchUserInfo(config, accessToken, subject),
  revoke: ({ token }) => client.tokenRevocation(config, token),
  logout: ({ idToken }) =>
    client.buildEndSessionUrl(config, { post_logout_redirect_uri: signedOut, id_token_hint: idToken, state: "bye" }).href,
});
