BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('f460b0348206');
CREATE TABLE api_tokens (
	user_id INTEGER, 
	service_id INTEGER, 
	id INTEGER NOT NULL, 
	hashed VARCHAR(255), 
	prefix VARCHAR(16), 
	client_id VARCHAR(255), 
	session_id VARCHAR(255), 
	created DATETIME, 
	expires_at DATETIME, 
	last_activity DATETIME, 
	note VARCHAR(1023), 
	scopes TEXT, 
	CONSTRAINT pk_api_tokens PRIMARY KEY (id), 
	CONSTRAINT fk_api_tokens_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_api_tokens_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE, 
	CONSTRAINT uq_api_tokens_hashed UNIQUE (hashed), 
	CONSTRAINT fk_api_tokens_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE
);
INSERT INTO "api_tokens" VALUES(NULL,1,1,'sha512:1:f8aa5c9132b43b95:2ae0537f177d2e7360c0e96f32d6ec06cd6e6e055ef623ebca6c796d0da87f77b8f0907d6acebc48c13797733ea880a0da283b9619bdc37ddec53375b308e648','81f5','jupyterhub',NULL,'2026-11-29 20:42:16.989988',NULL,'2026-11-29 20:42:20.372097','from config','["inherit"]');
INSERT INTO "api_tokens" VALUES(NULL,2,2,'sha512:1:307285f6e6279822:0496b605e1278d8bc2a529f54ba9c81b516ad16ce33efe61f30ece45757ba49bb03f510f462f84e3591121fa7a25882246998d05e57860d723265b4e9ecbdac8','6cc9','jupyterhub',NULL,'2026-11-29 20:42:17.035426',NULL,'2026-11-29 20:42:20.256151','from config','["inherit"]');
INSERT INTO "api_tokens" VALUES(NULL,3,3,'sha512:1:8602cd205557c596:bf18998955fd88fcd15bae76bf126e40f1be36ae3a9873558d97ef44b2f165d99d7a6ea3e6d865771be74080533a9db21275b0d919889372c211779707aafa29','tttt','jupyterhub',NULL,'2026-11-29 20:42:17.047551',NULL,'2026-11-29 20:42:21.055212','from config','["inherit"]');
INSERT INTO "api_tokens" VALUES(2,NULL,4,'sha512:1:aa43c7bd1d04159b:eb76e80cfd60402ab9095ca2b30e88d39657cc36904f657c87acf52f269082d9e188061a47521fc6daea1b57e23becfc6d8f8eb8131b54539444b7c2ef841e4e','facc','jupyterhub',NULL,'2026-11-29 20:42:21.207565',NULL,'2026-11-29 20:42:22.642526','Server at /user/ada/','["access:servers!server=ada/", "users:activity!user"]');
INSERT INTO "api_tokens" VALUES(2,NULL,6,'sha512:1:1bf36e34769954e2:ee1752777aaeaa676c8c019c931e31750951adb7c7caf8eb05482d0aa4bdbc5ce4d526b4a46f93a09e7e9348a4364ded485a5303993497606a6aade7f36e32a2','f8a4','jupyterhub',NULL,'2026-11-29 20:42:24.039662',NULL,'2026-11-29 20:42:24.115103','Server at /user/ada/','["inherit"]');
CREATE TABLE group_role_map (
	group_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_group_role_map PRIMARY KEY (group_id, role_id), 
	CONSTRAINT fk_group_role_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE, 
	CONSTRAINT fk_group_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
CREATE TABLE groups (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	properties TEXT, 
	CONSTRAINT pk_groups PRIMARY KEY (id), 
	CONSTRAINT uq_groups_name UNIQUE (name)
);
INSERT INTO "groups" VALUES(1,'trainees','{}');
INSERT INTO "groups" VALUES(2,'trainers','{}');
INSERT INTO "groups" VALUES(3,'facilitators','{}');
INSERT INTO "groups" VALUES(4,'administrators','{}');
CREATE TABLE oauth_clients (
	id INTEGER NOT NULL, 
	identifier VARCHAR(255), 
	description VARCHAR(1023), 
	secret VARCHAR(255), 
	redirect_uri VARCHAR(1023), 
	allowed_scopes TEXT, 
	CONSTRAINT pk_oauth_clients PRIMARY KEY (id), 
	CONSTRAINT uq_oauth_clients_identifier UNIQUE (identifier)
);
INSERT INTO "oauth_clients" VALUES(1,'jupyterhub','JupyterHub','','','[]');
INSERT INTO "oauth_clients" VALUES(2,'jupyterhub-user-ada','Server at /user/ada/','sha512:16384:e2bb450ff2aa1c6f:365241dcc232776b06a9ff93eb769a5a0e73df460aca6a77945d1e6a55feaf490a669133f30cc317232728e383ea67cf492c0cbc5605bb5d92b8b139f5d3117e','http://ada-vmlab.localhost:27163/user/ada/oauth_callback','["access:servers!server=ada/"]');
CREATE TABLE oauth_codes (
	id INTEGER NOT NULL, 
	client_id VARCHAR(255), 
	code VARCHAR(36), 
	expires_at INTEGER, 
	redirect_uri VARCHAR(1023), 
	session_id VARCHAR(255), 
	user_id INTEGER, 
	scopes TEXT, 
	code_challenge VARCHAR(255), 
	code_challenge_method VARCHAR(64), 
	CONSTRAINT pk_oauth_codes PRIMARY KEY (id), 
	CONSTRAINT fk_oauth_codes_client_id_oauth_clients FOREIGN KEY(client_id) REFERENCES oauth_clients (identifier) ON DELETE CASCADE, 
	CONSTRAINT fk_oauth_codes_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE TABLE roles (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	description VARCHAR(1023), 
	scopes TEXT, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_roles PRIMARY KEY (id), 
	CONSTRAINT uq_roles_name UNIQUE (name)
);
INSERT INTO "roles" VALUES(1,'user','Standard user privileges','["self"]',0);
INSERT INTO "roles" VALUES(2,'server','Post activity only','["users:activity!user", "access:servers!server"]',0);
INSERT INTO "roles" VALUES(3,'token','Token with same permissions as its owner','["inherit"]',0);
INSERT INTO "roles" VALUES(4,'facilitator','sees the board, stops and starts the machines of trainees','["admin-ui", "list:users!group=trainees", "read:users!group=trainees", "read:servers!group=trainees", "admin:server_state!group=trainees", "start:servers!group=trainees", "delete:servers!group=trainees"]',0);
INSERT INTO "roles" VALUES(5,'trainer','a facilitator who also publishes courses','["admin-ui", "list:users!group=trainees", "read:users!group=trainees", "read:servers!group=trainees", "admin:server_state!group=trainees", "start:servers!group=trainees", "delete:servers!group=trainees", "custom:vmlab:courses"]',0);
INSERT INTO "roles" VALUES(6,'admin','Elevated privileges (can do anything)','["admin-ui", "admin:users", "admin:servers", "admin:services", "tokens", "admin:groups", "list:services", "read:services", "read:hub", "proxy", "shutdown", "access:services", "access:servers", "read:roles", "read:metrics", "shares"]',0);
INSERT INTO "roles" VALUES(7,'vmlab-cli','the operator''s command line','["custom:vmlab:courses", "list:users", "read:servers", "read:users:name", "read:hub", "start:servers", "delete:servers"]',0);
INSERT INTO "roles" VALUES(8,'vmlab-keeper','what keeps machines in order, within the hub''s own process','["list:users", "read:servers", "read:users:name", "start:servers", "delete:servers"]',0);
INSERT INTO "roles" VALUES(9,'test',NULL,'["admin:users", "admin:groups", "admin:servers", "tokens", "proxy", "shutdown"]',0);
CREATE TABLE servers (
	id INTEGER NOT NULL, 
	proto VARCHAR(15), 
	ip VARCHAR(255), 
	port INTEGER, 
	base_url VARCHAR(255), 
	cookie_name VARCHAR(255), 
	CONSTRAINT pk_servers PRIMARY KEY (id)
);
INSERT INTO "servers" VALUES(1,'http','127.0.0.1',44065,'/user/ada/','cookie');
CREATE TABLE service_role_map (
	service_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_service_role_map PRIMARY KEY (service_id, role_id), 
	CONSTRAINT fk_service_role_map_service_id_services FOREIGN KEY(service_id) REFERENCES services (id) ON DELETE CASCADE, 
	CONSTRAINT fk_service_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO "service_role_map" VALUES(1,7,0);
INSERT INTO "service_role_map" VALUES(2,8,0);
INSERT INTO "service_role_map" VALUES(3,9,0);
CREATE TABLE services (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	admin BOOLEAN, 
	url VARCHAR(2047), 
	oauth_client_allowed_scopes TEXT, 
	info TEXT, 
	display BOOLEAN, 
	oauth_no_confirm BOOLEAN, 
	command TEXT, 
	cwd VARCHAR(4095), 
	environment TEXT, 
	user VARCHAR(255), 
	timeout INTEGER NOT NULL, 
	from_config BOOLEAN, 
	_server_id INTEGER, 
	pid INTEGER, 
	oauth_client_id VARCHAR(255), 
	CONSTRAINT pk_services PRIMARY KEY (id), 
	CONSTRAINT uq_services_name UNIQUE (name), 
	CONSTRAINT fk_services__server_id_servers FOREIGN KEY(_server_id) REFERENCES servers (id) ON DELETE SET NULL, 
	CONSTRAINT fk_services_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
INSERT INTO "services" VALUES(1,'vmlab-cli',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,30,1,NULL,NULL,NULL);
INSERT INTO "services" VALUES(2,'vmlab-keeper',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,30,1,NULL,NULL,NULL);
INSERT INTO "services" VALUES(3,'test',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,30,1,NULL,NULL,NULL);
CREATE TABLE share_codes (
	hashed VARCHAR(255), 
	prefix VARCHAR(16), 
	exchange_count INTEGER, 
	last_exchanged_at DATETIME, 
	id INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	scopes TEXT, 
	expires_at DATETIME, 
	owner_id INTEGER, 
	spawner_id INTEGER, 
	CONSTRAINT pk_share_codes PRIMARY KEY (id), 
	CONSTRAINT uq_share_codes_hashed UNIQUE (hashed), 
	CONSTRAINT fk_share_codes_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_share_codes_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE shares (
	user_id INTEGER, 
	group_id INTEGER, 
	id INTEGER NOT NULL, 
	created_at DATETIME NOT NULL, 
	scopes TEXT, 
	expires_at DATETIME, 
	owner_id INTEGER, 
	spawner_id INTEGER, 
	CONSTRAINT pk_shares PRIMARY KEY (id), 
	CONSTRAINT fk_shares_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_owner_id_users FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_shares_spawner_id_spawners FOREIGN KEY(spawner_id) REFERENCES spawners (id) ON DELETE CASCADE
);
CREATE TABLE spawners (
	id INTEGER NOT NULL, 
	user_id INTEGER, 
	server_id INTEGER, 
	state TEXT, 
	name VARCHAR(255), 
	display_name VARCHAR(255), 
	started DATETIME, 
	last_activity DATETIME, 
	user_options TEXT, 
	oauth_client_id VARCHAR(255), 
	CONSTRAINT pk_spawners PRIMARY KEY (id), 
	CONSTRAINT fk_spawners_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_spawners_server_id_servers FOREIGN KEY(server_id) REFERENCES servers (id) ON DELETE SET NULL, 
	CONSTRAINT fk_spawners_oauth_client_id_oauth_clients FOREIGN KEY(oauth_client_id) REFERENCES oauth_clients (identifier) ON DELETE SET NULL
);
INSERT INTO "spawners" VALUES(1,2,1,'{"vmlab": {"version": 1, "machine": "desk-ada-81a676eb2fa4", "volume": "home-ada-81a676eb2fa4"}}','','','2026-11-29 20:42:21.254765','2026-11-29 20:42:21.254765',NULL,'jupyterhub-user-ada');
INSERT INTO "spawners" VALUES(2,6,NULL,'{"vmlab": {"version": 1, "machine": "desk-bob-ac6515ad1667", "volume": "home-bob-ac6515ad1667"}}','','',NULL,'2026-11-29 20:42:24.390462',NULL,NULL);
CREATE TABLE user_group_map (
	user_id INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	CONSTRAINT pk_user_group_map PRIMARY KEY (user_id, group_id), 
	CONSTRAINT fk_user_group_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_user_group_map_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id) ON DELETE CASCADE
);
INSERT INTO "user_group_map" VALUES(2,1);
INSERT INTO "user_group_map" VALUES(6,1);
INSERT INTO "user_group_map" VALUES(4,1);
INSERT INTO "user_group_map" VALUES(3,2);
INSERT INTO "user_group_map" VALUES(5,3);
INSERT INTO "user_group_map" VALUES(1,4);
CREATE TABLE user_role_map (
	user_id INTEGER NOT NULL, 
	role_id INTEGER NOT NULL, 
	managed_by_auth BOOLEAN NOT NULL, 
	CONSTRAINT pk_user_role_map PRIMARY KEY (user_id, role_id), 
	CONSTRAINT fk_user_role_map_user_id_users FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_user_role_map_role_id_roles FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);
INSERT INTO "user_role_map" VALUES(5,4,0);
INSERT INTO "user_role_map" VALUES(3,5,0);
INSERT INTO "user_role_map" VALUES(1,6,0);
INSERT INTO "user_role_map" VALUES(2,1,0);
INSERT INTO "user_role_map" VALUES(1,1,0);
INSERT INTO "user_role_map" VALUES(6,1,0);
INSERT INTO "user_role_map" VALUES(5,1,0);
INSERT INTO "user_role_map" VALUES(3,1,0);
INSERT INTO "user_role_map" VALUES(4,1,0);
CREATE TABLE users (
	id INTEGER NOT NULL, 
	name VARCHAR(255), 
	user_info TEXT, 
	admin BOOLEAN, 
	created DATETIME, 
	last_activity DATETIME, 
	cookie_id VARCHAR(255) NOT NULL, 
	state TEXT, 
	encrypted_auth_state BLOB, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_name UNIQUE (name), 
	CONSTRAINT uq_users_cookie_id UNIQUE (cookie_id)
);
INSERT INTO "users" VALUES(1,'admin',NULL,1,'2026-11-29 20:42:16.554491',NULL,'cb5658b0dfab4e54a3c0b15961b684ff',NULL,NULL);
INSERT INTO "users" VALUES(2,'ada',NULL,0,'2026-11-29 20:42:16.555509','2026-11-29 20:42:21.254765','4241a6e1b6e9461bb8f7483c02b9a362','{}',NULL);
INSERT INTO "users" VALUES(3,'trainer',NULL,0,'2026-11-29 20:42:16.556034',NULL,'d63ca72c2054490686da9fd62b57bdbb',NULL,NULL);
INSERT INTO "users" VALUES(4,'zoe',NULL,0,'2026-11-29 20:42:16.556498',NULL,'854a23dc16714d8ea09c68fc7ba8bd5b',NULL,NULL);
INSERT INTO "users" VALUES(5,'facilitator',NULL,0,'2026-11-29 20:42:16.556920',NULL,'74bdaf7c0b8d4af0accfbff7dac5e9e2',NULL,NULL);
INSERT INTO "users" VALUES(6,'bob',NULL,0,'2026-11-29 20:42:16.557283','2026-11-29 20:42:24.390462','1c454f6b75f14ca3921a20d3fe5157d6','{}',NULL);
CREATE INDEX ix_share_codes_prefix ON share_codes (prefix);
CREATE INDEX ix_api_tokens_prefix ON api_tokens (prefix);
COMMIT;
