-- Client connections and rosters, nothing else; passwords compared as they are; no rate limit.
run_as_root = true
daemonize = false
pidfile = "FOLDER/prosody.pid"
data_path = "FOLDER/data"
network_backend = "epoll"
network_settings = { tcp_backlog = 4096 }
interfaces = { "127.0.0.1" }
c2s_ports = { PORT }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
modules_enabled = { "roster", "saslauth" }
modules_disabled = { "s2s", "offline" }
log = { error = "FOLDER/prosody.log" }
VirtualHost "localhost"
