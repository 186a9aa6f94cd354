// consumer.mjs ADDRESS APP USER USERSIG
import { Client } from 'tim-presence';

const [server, app, user, userSig] = process.argv.slice(2);
const client = new Client({ server, sdkAppId: Number(app) });
await client.login(user, userSig);
await client.setSelfStatus('linked');
const [status] = await client.getUserStatus([user]);
console.log(`Node: ${status.userId} is ${status.status} "${status.customStatus}"`);
await client.logout();
await client.close();
