package db

import (
	"strings"
	"testing"

	"nubo/internal/testx"
)

func TestSpansShowStatementsWithoutValues(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		`SELECT "s"."id" FROM "servers" AS "s" WHERE (id = 'it''s FROM me') LIMIT 1`:              `SELECT s.id FROM servers AS s WHERE (id = ?) LIMIT ?`,
		`SELECT "server"."id", "server"."name", "server"."created_at" FROM "servers" AS "server"`: `SELECT … FROM servers AS server`,
		`UPDATE "a1" SET "x" = 17, y = -2.5, z = X'00ff', w = NULL WHERE v IN ('a', 'b')`:         `UPDATE a1 SET x = ?, y = -?.?, z = X?, w = NULL WHERE v IN (?, ?)`,
		`DELETE FROM t WHERE a = 'never ended`:                                                    `DELETE FROM t WHERE a = ?`,
		`COMMIT`:                                                                                  `COMMIT`,
		``:                                                                                        ``,
	} {
		testx.Equal(t, withoutValues(query), want)
	}
	long := withoutValues(`INSERT INTO "t" ("a") VALUES ` + strings.Repeat(`('secret'),`, 1000))
	if len(long) > shownText+64 || strings.Contains(long, "secret") {
		t.Errorf("a long statement is shown as %d bytes: %s", len(long), long)
	}
}
