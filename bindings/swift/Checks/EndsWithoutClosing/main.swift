// A program that ends while its client, its server and a stream of events are in full swing.
import TimPresence

let server = try EmbeddedServer()
let client = try PresenceClient(server: server.address, sdkAppID: 1_400_000_001)
try await client.login("alice", userSig: server.issueUserSig("alice"))
Task {
    for step in 0... { try await client.setSelfStatus("step \(step)") }
}
var told = 0
for await changes in client.statusChanges {
    told += changes.count
    if told > 3 { break }
}
print("going")
