/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A certificate that node n1 made with an issuer of its own; @issued@ is its chain. After trusted.h. */

static const struct key *issued_key(void)
{
	static struct key *made;
	struct err e = ERR_INIT;
	if (!made && key_make(KEY_P256, &made, &e) < 0)
		abort();
	return made;
}

struct issued_chain {
	struct str issuer; /* DER */
	char serial[CERT_SERIAL_SIZE];
	struct str text; /* PEM, as it stands within quotes of JSON */
};

static const struct issued_chain *issued_chain(void)
{
	static struct issued_chain made;
	static struct arena *a;
	static struct str names[] = {S_INIT("example.com"), S_INIT("www.example.com")};
	struct err e = ERR_INIT;
	struct ca *ca CLEAN(ca_freep) = NULL;
	struct str der, above, pem;
	char serial[CERT_SERIAL_SIZE];
	const int64_t now_ms = INT64_C(1795000000000);
	const struct ca_leaf leaf = {
		.kind = CERT_SERVICE,
		.name = names[1],
		.names = {&names[1], 1},
		.public = key_public(issued_key()),
		.is_server = true,
		.now_ms = now_ms,
	};
	if (a)
		return &made;
	if (arena_new(1 << 20, &a, &e) < 0 ||
	    ca_delegate(trust_ca(CA_SERVICES), S("n1"), key_public(issued_key()),
			&(struct cert_names){names, 1}, now_ms, a, &made.issuer, made.serial,
			&e) < 0)
		abort();
	above = arena_fmt(a, "%.*s%.*s", STR_A(cert_pem(made.issuer, a)),
			  STR_A(ca_chain(trust_ca(CA_SERVICES))));
	if (ca_open_delegated(issued_key(), above, &ca, &e) < 0 ||
	    ca_sign(ca, &leaf, a, &der, serial, &e) < 0)
		abort();
	pem = arena_fmt(a, "%.*s%.*s", STR_A(cert_pem(der, a)), STR_A(above));
	struct buf b CLEAN(buf_fini) = BUF_INIT(1 << 16);
	for (size_t i = 0; i < pem.n; i++)
		buf_add(&b, pem.p[i] == '\n' ? S("\\n") : str_sub(pem, i, 1));
	made.text = arena_dup(a, buf_str(&b));
	return &made;
}

/* The issuer stands in the books. */
static int issued_work(struct db_tx *tx, struct arena *a, int64_t now_ms, struct err *e)
{
	const struct issued_chain *made = issued_chain();
	struct certificate x = {
		.serial = str_from(made->serial),
		.authority = S("services"),
		.kind = S("authority"),
		.owner = S("n1"),
		.names_json = S("[\"example.com\"]"),
		.key_name = S("02"),
		.pem = cert_pem(made->issuer, a),
		.from_ms = now_ms,
		.to_ms = now_ms + INT64_C(180) * 24 * 3600 * 1000,
	};
	return store_certificate_add(tx, &x, e);
}
