// The runner of tests/scenario/README.md in Swift: Scenario STORY ADDRESS APP_ID.
//
// It waits for events through the streams that everybody has. That nothing waits, no stream can say; for that it looks into the boxes
// behind them, where everything is that was told before a call returned.
import Foundation

@testable import TimPresence

/// How long anything may take that the story waits for.
let awaitSeconds = 30
/// Of more users than this only the first, the last and the number are printed.
let itemsShown = 5

var currentStep = ""

@MainActor func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

@MainActor func broken(_ what: String) -> Never {
    FileHandle.standardError.write(Data("at \"\(currentStep)\": \(what)\n".utf8))
    exit(2)
}

/// A line that begins with ! asks the driver, and a line on the standard input answers.
@discardableResult
@MainActor func ask(_ request: String) -> String {
    say("!" + request)
    guard let answer = readLine(), answer.hasPrefix("ok ") else { broken("the driver does not answer") }
    return String(answer.dropFirst(3))
}

// MARK: Words

@MainActor func words(of line: String) -> [String] {
    var words: [String] = []
    var rest = Substring(line)
    while !rest.isEmpty {
        let quoted = rest.first == "\""
        if quoted { rest = rest.dropFirst() }
        let word = rest.prefix { $0 != (quoted ? "\"" : " ") }
        words += quoted ? [String(word)] : unquoted(word)
        rest = rest.dropFirst(word.count + 1)
        if quoted && rest.first == " " { rest = rest.dropFirst() }
    }
    return words
}

@MainActor func unquoted(_ word: Substring) -> [String] {
    guard let brace = word.firstIndex(of: "{") else { return [String(word)] }
    let stem = String(word[..<brace])
    let range = word[word.index(after: brace)...].dropLast()
    if range.first == "*" {
        guard let times = Int(range.dropFirst()) else { broken("braces that are not understood: \(word)") }
        return [String(repeating: stem, count: times)]
    }
    let ends = range.components(separatedBy: "..").compactMap(Int.init)
    guard ends.count == 2 else { broken("braces that are not understood: \(word)") }
    return (ends[0]...ends[1]).map { "\(stem)\($0)" }
}

// MARK: Names

@MainActor func name(_ status: Status) -> String { "\(status)".uppercased() }

@MainActor func name(_ reason: Reason) -> String {
    switch reason {
    case .linkClosed: "LINK_CLOSED"
    case .customStatus: "CUSTOM_STATUS"
    default: "\(reason)".uppercased()
    }
}

@MainActor func names(_ platforms: Platforms) -> String {
    let all: [(Platforms, String)] = [
        (.other, "Other"), (.iOS, "iOS"), (.android, "Android"), (.web, "Web"), (.windows, "Windows"), (.mac, "Mac"), (.linux, "Linux"), (.iPad, "iPad"),
    ]
    let on = all.filter { platforms.contains($0.0) }.map(\.1)
    return on.isEmpty ? "nowhere" : on.joined(separator: "+")
}

@MainActor func text(_ error: PresenceError) -> String {
    "\(error.code) \(error.name)" + (error.retryAfterMilliseconds > 0 ? ", retry later" : "")
}

@MainActor func codeText(_ code: Int32) -> String {
    "\(code) \(PresenceError(code: code, message: "").name)"
}

// MARK: A client, and what it was told and nobody printed yet

/// One kind of event of one client, first to last.
@MainActor final class Told<Contents: Store> where Contents.Value: Sendable {
    private let box: Box<Contents>
    private let stream: AsyncStream<Contents.Value>

    init(_ topic: Topic<Contents>, _ client: PresenceClient) {
        box = topic.open()
        stream = box.stream(of: client)
    }

    /// The next, waiting for it; nil if none came in time.
    func next() async -> Contents.Value? {
        let tooLate = Task { [box] in
            try await Task.sleep(nanoseconds: UInt64(awaitSeconds) * 1_000_000_000)
            box.end()
        }
        defer { tooLate.cancel() }
        for await value in stream { return value }
        return nil
    }

    /// Everything that is there.
    func all() -> [Contents.Value] {
        var values: [Contents.Value] = []
        while let value = box.take() { values.append(value) }
        return values
    }
}

@MainActor final class Person {
    let client: PresenceClient
    let connection: Told<Newest<ConnectionChange>>
    let kicked: Told<Newest<Kicked>>
    let evictions: Told<Newest<[String]>>
    private let changes: Told<NewestOfEachUser>
    /// Taken from `changes` and not printed yet.
    private var statuses: [UserStatus] = []
    private var marks: [String: UInt64] = [:]

    init(server: String, app: UInt64, platform: String) throws {
        var options = ClientOptions(server: server, sdkAppID: app)
        options.platform = platform
        options.backoffBaseMilliseconds = 20
        options.backoffMaxMilliseconds = 200
        options.disconnectedWaitMilliseconds = 1000
        client = try PresenceClient(options)
        connection = Told(client.session.connection, client)
        kicked = Told(client.session.kicked, client)
        evictions = Told(client.session.evictions, client)
        changes = Told(client.session.statuses, client)
    }

    func status(of userID: String) async -> UserStatus? {
        while true {
            if let found = statuses.firstIndex(where: { $0.userID == userID }) { return statuses.remove(at: found) }
            guard let more = await changes.next() else { return nil }
            statuses += more
        }
    }

    func allStatuses() -> [UserStatus] {
        defer { statuses = [] }
        return statuses + changes.all().joined()
    }

    @discardableResult
    func seen(_ user: UserStatus) -> String {
        let mark = marks[user.userID]
        if let mark, user.version < mark { return "older" }
        if user.version == mark { return "same" }
        marks[user.userID] = user.version
        return "newer"
    }

    /// What the server sent before has arrived then.
    func roundTrip() async throws {
        if let user = try client.loginUser { _ = try await client.userStatus(of: [user]) }
    }

    func sayTold(_ user: UserStatus) {
        say("\(user.userID) \(name(user.status)) \"\(user.customStatus)\" \(name(user.reason)) \(seen(user))")
    }

    func sayItem(_ user: UserStatus) {
        let userID = user.userID.isEmpty ? "\"\"" : user.userID
        if !user.isOK { return say("  \(userID) \(codeText(user.code))") }
        say("  \(userID) \(name(user.status)) \"\(user.customStatus)\" \(name(user.reason)) \(names(user.platforms)) \(seen(user))")
    }
}

@MainActor func sayAll<Item>(_ items: [Item], _ each: (Item) -> Void) {
    guard items.count > itemsShown, let first = items.first, let last = items.last else {
        say("ok")
        return items.forEach(each)
    }
    say("ok, \(items.count) users")
    [first, last].forEach(each)
}

// MARK: Steps: `words` are those after the client's name

@MainActor func login(_ person: Person, _ words: [String]) async throws {
    let user = words[0]
    let sig: String
    switch words.count > 1 ? words[1] : "" {
    case "": sig = ask("sig \(user)")
    case "with": sig = words[2]
    case "signed-for": sig = ask("sig \(words[2])")
    case "signed-with-another-key": sig = ask("sig \(user) another-key")
    default: broken("a login \(words[1])")
    }
    try await person.client.login(user, userSig: sig)
    say("ok")
}

@MainActor func burst(_ person: Person, _ words: [String]) async throws {
    for succeeded in 0..<(Int(words[0]) ?? 0) {
        do {
            _ = try await person.client.userStatus(of: [words[1]])
        } catch let error as PresenceError {
            return say("ok \(succeeded) times, then error \(text(error))")
        }
    }
    say("ok \(words[0]) times")
}

@MainActor func await_(_ person: Person, _ words: [String]) async {
    switch words[0] {
    case "status":
        if let user = await person.status(of: words[1]) { return person.sayTold(user) }
    case "connection":
        let wanted: ConnectionState = words[1] == "connected" ? .connected : .disconnected
        while let change = await person.connection.next() {
            if change.state == wanted { return say(words[1]) }
        }
    case "kicked":
        if let kicked = await person.kicked.next() { return say("kicked \(codeText(kicked.code))") }
    case "evicted":
        if let users = await person.evictions.next() { return say("evicted \(users.joined(separator: " "))") }
    default: broken("awaiting \(words[0])")
    }
    say("nothing came")
}

@MainActor func until(_ person: Person, _ words: [String]) async {
    while let user = await person.status(of: words[0]) {
        if user.customStatus == words[1] { return person.sayTold(user) }
        person.seen(user)
    }
    say("nothing came")
}

@MainActor func quiet(_ person: Person) async throws {
    try await person.roundTrip()
    let (statuses, kicked, evictions) = (person.allStatuses(), person.kicked.all(), person.evictions.all())
    for user in statuses { person.sayTold(user) }
    for kick in kicked { say("kicked \(codeText(kick.code))") }
    for users in evictions { say("evicted \(users.joined(separator: " "))") }
    if statuses.isEmpty && kicked.isEmpty && evictions.isEmpty { say("nothing") }
}

@MainActor func skip(_ person: Person) async throws {
    try await person.roundTrip()
    for user in person.allStatuses() { person.seen(user) }
    _ = (person.kicked.all(), person.evictions.all())
    say("ok")
}

@MainActor func state(_ person: Person) throws {
    let loggedIn = try person.client.loginState == .loggedIn
    say(loggedIn ? "logged in as \(try person.client.loginUser ?? "")" : "logged out")
}

@MainActor func step(_ step: String, _ person: Person, _ words: [String]) async throws {
    let client = person.client
    switch step {
    case "login": try await login(person, words)
    case "logout":
        try await client.logout()
        say("ok")
    case "set":
        try await client.setSelfStatus(words[0])
        say("ok")
    case "get": sayAll(try await client.userStatus(of: words), person.sayItem)
    case "subscribe":
        let subscribed = try await client.subscribe(to: words)
        sayAll(subscribed.users, person.sayItem)
        for user in subscribed.evicted { say("  evicted \(user)") }
    case "unsubscribe": sayAll(try await client.unsubscribe(from: words)) { say("  \($0.userID)" + ($0.isOK ? "" : " \(codeText($0.code))")) }
    case "unsubscribe-all":
        try await client.unsubscribeAll()
        say("ok")
    case "subscriptions": sayAll(try await client.subscriptions()) { say("  \($0)") }
    case "friends": sayAll(try await client.friends()) { say("  \($0)") }
    case "burst": try await burst(person, words)
    case "state": try state(person)
    case "await": await await_(person, words)
    case "until": await until(person, words)
    case "quiet": try await quiet(person)
    case "skip": try await skip(person)
    case "close":
        await client.close()
        say("ok")
    default: broken("no such step")
    }
}

let arguments = CommandLine.arguments
guard arguments.count == 4, let app = UInt64(arguments[3]) else { broken("usage: Scenario STORY ADDRESS APP_ID") }
var people: [String: Person] = [:]
for line in try String(contentsOfFile: arguments[1], encoding: .utf8).components(separatedBy: "\n") {
    currentStep = line
    if line.hasPrefix("##") { say(line) }
    if line.isEmpty || line.hasPrefix("#") { continue }
    say("> " + line)
    let words = words(of: line)
    switch words[0] {
    case "client":
        people[words[1]] = try Person(server: arguments[2], app: app, platform: words[2])
        say("ok")
    case "server", "kick":
        ask("\(words[0]) \(words[1])")
        say("ok")
    default:
        guard let person = people[words[1]] else { broken("there is no client \(words[1])") }
        do {
            try await step(words[0], person, Array(words.dropFirst(2)))
        } catch let error as PresenceError {
            say("error \(text(error))")
        }
    }
}
for person in people.values { await person.client.close() }
