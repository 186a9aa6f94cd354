{ok, _} = application:ensure_all_started(ejabberd).
{ok, Rosters} = file:consult("FOLDER/rosters.term").
Server = <<"localhost">>.
lists:foreach(
    fun({User, Contacts}) ->
        Owner = {User, Server},
        ok = mnesia:dirty_write({passwd, Owner, <<"load">>}),
        lists:foreach(
            fun({Contact, Subscription}) ->
                Jid = {Contact, Server, <<>>},
                ok = mnesia:dirty_write(
                    {roster, {User, Server, Jid}, Owner, Jid, <<>>, Subscription, none, [], <<>>, []})
            end,
            Contacts)
    end,
    Rosters).
io:format("the rosters are laid down~n").
