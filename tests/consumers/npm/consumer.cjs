// The same with require:  consumer.cjs ADDRESS APP USER USERSIG
const { Client } = require('tim-presence');

async function main([server, app, user, userSig]) {
  const client = new Client({ server, sdkAppId: Number(app) });
  await client.login(user, userSig);
  await client.setSelfStatus('linked');
  const [status] = await client.getUserStatus([user]);
  console.log(`Node: ${status.userId} is ${status.status} "${status.customStatus}"`);
  await client.logout();
  await client.close();
}

main(process.argv.slice(2));
