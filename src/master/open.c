/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <unistd.h>

#include "api/enrol.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "master/master_impl.h"
#include "profile/eval.h"

enum { GROUP_MS = 20, SETTINGS_ARENA = 1 << 20 };

const char *master_path(struct master *m, const char *name)
{
	return arena_cstr(m->a, file_join(m->a, str_from(m->options->data), str_from(name)));
}

MUST int master_open_data(struct master *m, struct err *e)
{
	if (arena_new(SETTINGS_ARENA, &m->a, e) < 0 ||
	    arena_new(API_ARENA_BYTES, &m->job_arena, e) < 0 ||
	    file_mkdirs(m->options->data, 0700, e) < 0)
		return -1;
	int rc = file_lock(master_path(m, "lock"), &m->lock_fd, e);
	if (rc > 0)
		return err_fail(e, ERR_CONFLICT, "another master runs on %s", m->options->data);
	if (rc < 0)
		return -1;
	m->address_path = str_from(master_path(m, "address"));
	if (file_remove_tree(m->address_path.p, e) < 0)
		return -1;
	return master_settings_read(master_path(m, "master.json"), m->a, &m->settings, e);
}

MUST int master_open_identity(struct master *m, struct err *e)
{
	const struct master_options *o = m->options;
	struct master_secrets secrets = {.passphrase = S("")};
	if (o->is_local)
		return 0;
	int rc = master_secrets_read(o->passphrase_file, o->pin_file, m->a, &secrets, e);
	if (rc == 0)
		rc = master_identity_open(o->data, &secrets, m->a, &m->identity, e);
	master_secrets_wipe(&secrets);
	if (rc == 0 && (!m->settings.cloud.n || !m->settings.name_count))
		rc = err_field(e, "names", "%s/master.json names neither cloud nor host: %s",
			       o->data, "run hoc master init again");
	return rc;
}

MUST int master_open_database(struct master *m, struct err *e)
{
	const char *url = m->options->db;
	if (!url)
		url = arena_fmt(m->a, "sqlite:%s", master_path(m, "master.db")).p;
	/* A group ends when nothing waits any more; the limit only bounds how long many clients hold
	 * up the first one, and one flush costs as much as dozens of orders. */
	const struct db_options options = {.group_for_ms = GROUP_MS};
	if (arena_check(m->a, e) < 0 || db_open(url, &options, &m->db, e) < 0)
		return -1;
	return api_migrate(m->db, e);
}

MUST int master_open_api(struct master *m, struct err *e)
{
	const struct profile_eval_options eval = {.program = m->options->program};
	const struct master_settings *s = &m->settings;
	struct api_options o = {
		.clock = clock_system(),
		.rng = rng_system(),
		.version = HOC_VERSION,
		.database = db_engine_name(m->db),
		.mode = m->options->is_local ? "local" : "tls",
		.liveness_limit_ms = s->liveness_seconds * 1000,
		.seller = {.name = s->seller.name.p,
			   .address = s->seller.address.p,
			   .country = s->seller.country.p,
			   .vat_number = s->seller.vat_number.p},
	};
	if (!m->options->is_local) {
		o.users = m->identity.users;
		o.services = m->identity.services;
		o.key = m->identity.key;
		o.key_name = str_from(m->identity.key_name);
		o.cloud = s->cloud.p;
		o.names = s->names;
		o.name_count = s->name_count;
		o.zone = s->zone.n ? s->zone.p : NULL;
		o.eab_key = str_of(m->identity.eab, MASTER_EAB_BYTES);
	}
	if (profile_eval_new(&eval, &m->eval, e) < 0)
		return -1;
	o.eval = m->eval;
	return api_new(&o, &m->api, e);
}

/* ---- the certificate ----------------------------------------------------------------------- */

struct certify {
	struct master *m;
	struct cert_names names;
	struct str chain;
};

static int certify_run(struct db_tx *tx, void *user, struct err *e)
{
	struct certify *k = user;
	struct master *m = k->m;
	arena_clear(m->job_arena);
	return enrol_master(m->api, tx, m->settings.cloud, key_public(m->identity.key),
			    &k->names, m->job_arena, &k->chain, e);
}

MUST int master_certify(struct master *m, struct err *e)
{
	struct certify k = {
		.m = m, .names = {.items = m->settings.names, .count = m->settings.name_count}};
	arena_clear(m->job_arena);
	int rc = master_identity_check(&m->identity, &k.names, clock_now_ms(clock_system()),
				       m->job_arena, e);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		if (db_write(m->db, certify_run, &k, e) < 0 ||
		    master_identity_keep(&m->identity, k.chain, m->job_arena, e) < 0)
			return -1;
		log_event(LOG_INFO, "master.certificate.made",
			  KV_S("name", m->settings.names[0]));
	}
	return master_identity_show(&m->identity, m->job_arena, e);
}

void master_close(struct master *m)
{
	struct err ignored;
	m->acme = master_acme_close(m->acme);
	m->http = api_http_close(m->http);
	m->db = db_close(m->db);
	m->api = api_free(m->api);
	m->eval = profile_eval_free(m->eval);
	master_identity_close(&m->identity);
	if (m->address_path.n)
		(void)!file_remove_tree(m->address_path.p, &ignored);
	file_closep(&m->lock_fd);
	m->job_arena = arena_free(m->job_arena);
	m->a = arena_free(m->a);
}
