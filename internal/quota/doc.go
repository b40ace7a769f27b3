// Package quota checks a project's limits on the component's side: the limits
// are a table of the component, and what is used is counted in its own tables
// inside the transaction that adds to it. There are no reservations, so
// nothing can be left over by a crash.
//
// A component's migrations create the table:
//
//	CREATE TABLE quota_limits (
//	    project_id VARCHAR(64) NOT NULL,
//	    resource VARCHAR(255) NOT NULL,
//	    hard_limit BIGINT NOT NULL,
//	    PRIMARY KEY (project_id, resource)
//	);
//
// (and quota_classes with class_name, if its defaults can be changed while it
// runs), and whoever creates something checks first, in the same db.InTx:
//
//	err := d.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
//		if err := quotas.Check(ctx, project, map[string]int64{"cores": 4}); err != nil {
//			return err
//		}
//		…insert…
//	})
//
// Transactions are serial, so that two of them never both take the last of a
// limit.
package quota
