-- The directory's projection. `taste` holds each preference set once and counts its subscribers.
create table meta (
    name text primary key,
    value
) without rowid;

create table taste (
    id integer primary key autoincrement,
    wishes text not null unique,
    people integer not null default 0
);

create table person (
    id text primary key,
    address text not null,
    name text not null,
    taste integer not null,
    paused_until real not null default 0,
    changed real not null default 0,
    daily_until real not null default 0,
    weekly_until real not null default 0
) without rowid;

create index person_by_taste on person (taste, id);

create trigger person_came after insert on person begin
    update taste set people = people + 1 where id = new.taste;
end;

create trigger person_went after delete on person begin
    update taste set people = people - 1 where id = old.taste;
end;

create trigger person_changed after update of taste on person when new.taste <> old.taste begin
    update taste set people = people - 1 where id = old.taste;
    update taste set people = people + 1 where id = new.taste;
end;
