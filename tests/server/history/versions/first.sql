BEGIN TRANSACTION;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "facts" VALUES('boot','756124dd-7dc2-4b6d-a604-50b18d80b20d');
INSERT INTO "facts" VALUES('bound','8192');
INSERT INTO "facts" VALUES('clean','yes');
INSERT INTO "facts" VALUES('durable','no');
INSERT INTO "facts" VALUES('epoch','QFIy5ZqR3bF6Q49E');
CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('room', 'mailbox')),
        key TEXT NOT NULL,
        head INTEGER NOT NULL DEFAULT 0,
        head_time TEXT,
        oldest INTEGER NOT NULL DEFAULT 1,
        UNIQUE (kind, key)
    );
INSERT INTO "logs" VALUES(1,'room','lobby',8,'2026-11-20T08:00:05Z',1);
INSERT INTO "logs" VALUES(2,'mailbox','30313233343536373839616263646566',1,'2026-11-20T08:00:01Z',1);
CREATE TABLE lost (
        log INTEGER NOT NULL REFERENCES logs (id),
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (log, first)
    ) WITHOUT ROWID
    ;
CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        log INTEGER NOT NULL REFERENCES logs (id),
        first INTEGER NOT NULL,
        count INTEGER NOT NULL,
        time TEXT NOT NULL,
        sender TEXT NOT NULL,
        recipient TEXT,
        author BLOB NOT NULL,
        type INTEGER NOT NULL,
        filename TEXT,
        size INTEGER NOT NULL,
        nonces TEXT,
        sizes BLOB,
        content BLOB NOT NULL,
        purged TEXT
    );
INSERT INTO "runs" VALUES(1,1,1,3,'2026-11-20T08:00:00Z','bob',NULL,X'30313233343536373839616263646566',7,NULL,10,'n1,,n3',X'030000000700000000000000',X'6F6E657A77656920C3BC',NULL);
INSERT INTO "runs" VALUES(2,2,1,1,'2026-11-20T08:00:01Z','alice','bob',X'',7,NULL,7,'p1',NULL,X'70726976617465',NULL);
INSERT INTO "runs" VALUES(3,1,4,2,'2026-11-20T08:00:02Z','alice',NULL,X'',7,NULL,8,NULL,X'0400000004000000',X'666F757266697665',NULL);
INSERT INTO "runs" VALUES(4,1,6,1,'2026-11-20T08:00:03Z','alice',NULL,X'',6,'a.png',7,'n6',NULL,X'89504E472CFF00',NULL);
INSERT INTO "runs" VALUES(5,1,7,1,'2026-11-20T08:00:04Z','alice',NULL,X'',8,'big.iso',8589934592,NULL,NULL,X'',NULL);
INSERT INTO "runs" VALUES(6,1,8,1,'2026-11-20T08:00:05Z','eve',NULL,X'',7,NULL,6,'n8',NULL,X'','8');
CREATE UNIQUE INDEX runs_by_number ON runs (log, first);
COMMIT;
PRAGMA user_version = 1;
